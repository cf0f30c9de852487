"""Chapters: a video is cut where what it shows changes for longer.

Kernel temporal segmentation (Potapov et al., "Category-specific video summarization", ECCV 2014): of all ways to cut a
sequence into m segments, the one with the least scatter of its rows around their segments' means, by dynamic
programming; m by a penalty for each further segment. Sums of rows give every scatter in one product of matrices.

Measured with `lite` on five composed streams of two minutes and a monitor that changes its view every eight seconds:
all 71 true changes are found within 1.6 s, and 0.89 of the cuts are at one (the truth does not name all of them). Five
fixed cameras get none to five cuts: when it gets dark, or somebody stays in view.
"""

from dataclasses import dataclass

import numpy as np

from alignment.types import F32, F64
from alignment.vectors import unit_rows

MOST_ROWS = 1200  # of longer videos neighbouring clips are averaged: time and memory rise with the square
SHORTEST_S = 5.0  # of a chapter, and at least this share of the video
SHORTEST_SHARE = 1 / 60
MOST = 40
PENALTY = 0.5  # of a further chapter: as much scatter as half a clip that is unlike all others


@dataclass(frozen=True, slots=True)
class Chapter:
    """One stretch, seconds from the beginning of the video, and its most typical moment."""

    start: float
    end: float
    typical: float


def chapters(rows: F32, t: F64, end: float) -> tuple[Chapter, ...]:
    """Return the chapters of a video, in order; one where nothing changes, none of no rows.

    ``rows`` f32[N, D]: embeddings of its frames at ``t`` f64[N], seconds from its beginning; ``end``: its length.
    """
    if not len(rows):
        return ()
    size = -(-len(rows) // MOST_ROWS)
    shown, times = _pooled(unit_rows(rows), size), t[::size]
    hop = (end - float(t[0])) / len(shown)
    least = max(1, round(max(SHORTEST_S, SHORTEST_SHARE * (end - float(t[0]))) / max(hop, 1e-3)))
    cuts = segment(shown, least)
    bounds = [0.0, *(float(times[c - 1] + times[c]) / 2 for c in cuts), end]
    typical = [float(times[_typical(shown, a, b)]) for a, b in zip([0, *cuts], [*cuts, len(shown)], strict=True)]
    return tuple(Chapter(a, b, m) for a, b, m in zip(bounds[:-1], bounds[1:], typical, strict=True))


def segment(rows: F32, least: int, penalty: float = PENALTY) -> tuple[int, ...]:
    """Return the rows with which a new segment begins, of unit rows [N, D]; no segment is shorter than ``least``."""
    n = len(rows)
    most = min(MOST, n // max(1, least))
    if most < 2:
        return ()
    cost = _scatter(rows)
    i = np.arange(n + 1)
    cost[i[None, :] - i[:, None] < least] = np.inf
    best = np.full((most + 1, n + 1), np.inf)  # [m, j]: least scatter of the first j rows in m segments
    came = np.zeros((most + 1, n + 1), np.int64)
    best[0, 0] = 0.0
    for m in range(1, most + 1):
        total = best[m - 1][:, None] + cost
        came[m] = total.argmin(axis=0)
        best[m] = total[came[m], i]
    count = np.arange(1, most + 1)
    price = penalty * count * (np.log(n / count) + 1)
    m = int(count[(best[1:, n] + price).argmin()])
    cuts, at = list[int](), n
    for k in range(m, 1, -1):
        at = int(came[k, at])
        cuts.append(at)
    return tuple(reversed(cuts))


def _scatter(rows: F32) -> F64:
    """Return f64[N + 1, N + 1]: the summed squared distance of rows i to j − 1 from their mean."""
    sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0, dtype=np.float64)])
    inner = sums @ sums.T
    norm = np.diagonal(inner)
    i = np.arange(len(sums))
    length = np.maximum(i[None, :] - i[:, None], 1)
    squares = np.concatenate([[0.0], np.cumsum((rows.astype(np.float64) ** 2).sum(axis=1))])
    return np.asarray((squares[None, :] - squares[:, None]) - (norm[None, :] + norm[:, None] - 2 * inner) / length)


def _typical(rows: F32, first: int, last: int) -> int:
    return first + int((rows[first:last] @ rows[first:last].mean(axis=0)).argmax())


def _pooled(rows: F32, size: int) -> F32:
    return unit_rows(np.add.reduceat(rows, np.arange(0, len(rows), size), axis=0)) if size > 1 else rows
