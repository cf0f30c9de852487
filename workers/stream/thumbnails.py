"""Small pictures of what a live camera shows, for moments of which there is no event: one when its picture has changed.

They are written into the index with the frames that they show, masked and blurred as the model saw them.
"""

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alignment.types import F32
from workers.events.evidence import EvidenceStore
from workers.index.thumbnails import SAME
from workers.items import FrameAnswer
from workers.types import U8

SIDE, QUALITY = 160, 50  # 1 to 4 kB
LEAST_S = 3.0  # from one to the next
BYTES_A_DAY = 2 << 20  # on average: with all else in the index about 50 MB
START, MOST = 100 << 10, 1 << 20  # bytes that may be written at once: at the beginning, and after a quiet night


class Thumbnails:
    """Chooses frames of one live camera. For the thread that records its items."""

    def __init__(self, frames: EvidenceStore) -> None:
        self._frames = frames
        self._row: F32 | None = None  # of the last thumbnail, of length 1
        self._t, self._refilled = -np.inf, np.inf
        self._left = float(START)

    def of(self, item: FrameAnswer) -> dict[str, NDArray[Any]]:
        """Return the columns of the thumbnails of an item's frames; most frames have none."""
        pictures = [self._picture(float(t), row) for t, row in zip(item.pts_s, item.features, strict=True)]
        return {
            "picture_bytes": np.array([len(picture) for picture in pictures], "<u2"),
            "picture": np.frombuffer(b"".join(pictures), "u1"),
        }

    def _picture(self, t: float, row: F32) -> bytes:
        """Return the thumbnail of a frame as JPEG; nothing where it shows what the last one shows."""
        length = float(np.linalg.norm(row))
        if t - self._t < LEAST_S or not 0 < length < np.inf:
            return b""
        if self._row is not None and float(self._row @ row) >= SAME * length:
            return b""
        self._left = min(MOST, self._left + max(0.0, t - self._refilled) * BYTES_A_DAY / 86_400)
        self._refilled = t
        frame = self._frames.frame(t)
        if frame is None or self._left <= 0:
            return b""
        picture = thumbnail(frame)
        self._left -= len(picture)
        self._t, self._row = t, row / length
        return picture


def thumbnail(frame: U8) -> bytes:
    """Return a frame u8[H, W, 3] as a small JPEG."""
    picture, out = Image.fromarray(frame), BytesIO()
    scale = SIDE / max(picture.size)
    width, height = (max(1, round(scale * side)) for side in picture.size)
    picture.resize((width, height), Image.Resampling.BOX).save(out, format="JPEG", quality=QUALITY)
    return out.getvalue()
