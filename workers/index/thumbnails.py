"""Finds the small picture that shows a moment, among those that were kept when the picture of a camera changed."""

import numpy as np

from workers.index.rounding import rows_of
from workers.index.shard import Shard

SAME = 0.9  # cosine of the features of two frames that are as good as the same picture
BEFORE_S = 600.0  # how old a picture may be that still shows what a moment shows


def thumbnail_of(shard: Shard, start: float, end: float, peak: float) -> float | None:
    """Return the stream second of the thumbnail that shows a moment; None if there is none.

    Of those in the moment it is the one most like its peak; else the last shortly before that shows the same.
    """
    t = shard.t
    kept = np.flatnonzero(shard.columns["picture_bytes"])
    kept = kept[(t[kept] >= start - BEFORE_S) & (t[kept] <= end)]
    if not len(kept):
        return None
    shown = int(np.abs(t - peak).argmin())
    rows = np.nan_to_num(rows_of(shard.frames[[shown, *kept]], shard.scale[[shown, *kept]]))
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    alike, inside = rows[1:] @ rows[0], t[kept] >= start
    if inside.any():
        return float(t[kept[np.argmax(np.where(inside, alike, -2.0))]])
    same = kept[alike >= SAME]
    return float(t[same[-1]]) if len(same) else None


def picture_at(shard: Shard, t: float) -> bytes | None:
    """Return the thumbnail of the frame at stream second ``t`` as JPEG; None if there is none."""
    lengths = shard.columns["picture_bytes"].astype(np.int64)
    found = np.flatnonzero((lengths > 0) & (np.abs(shard.t - t) < 1e-3))
    if not len(found):
        return None
    begin = int(lengths[: found[0]].sum())
    return bytes(shard.columns["picture"][begin : begin + lengths[found[0]]].tobytes())
