"""Peaks of a score along stored rows, the best first.

The best remaining row is extended while its neighbours score at least half-way between what is usual and the peak: the
full width at half maximum, which needs no threshold that depends on the encoder. The slopes of the peak are removed as
well (non-maximum suppression), then the next best row follows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from alignment.types import F32, F64, Bools

EXTENT = 0.5  # of the way from what is usual to the peak: rows above it belong to the peak
SHOULDER = 0.25  # rows above it are removed together with the peak
STEP = 256  # rows that are looked at together beside a peak
SAMPLED = 1 << 18  # rows from which what is usual is taken


@dataclass(frozen=True, slots=True)
class Peak:
    """One peak: its row, its first and last row, its height."""

    row: int
    first: int
    last: int
    height: float


def joined_rows(bounds: F64, part: "np.ndarray[tuple[int], np.dtype[np.int32]]", gap_s: float) -> Bools:
    """Return bool[N - 1]: whether a row and the next are neighbours: of one part, at most ``gap_s`` seconds apart.

    ``bounds`` f64[N, 2] in seconds; ``part`` i32[N]: equal numbers for rows of one unbroken stretch.
    """
    return np.asarray((bounds[1:, 0] - bounds[:-1, 1] <= gap_s) & (part[1:] == part[:-1]))


def smooth(scores: F32, joined: Bools) -> F32:
    """Return the mean of each row and its neighbours, so that one outlier frame makes no peak."""
    total, count = scores.copy(), np.ones(len(scores), np.float32)
    total[1:] += np.where(joined, scores[:-1], 0)
    total[:-1] += np.where(joined, scores[1:], 0)
    count[1:] += joined
    count[:-1] += joined
    return np.asarray(total / count, np.float32)


@dataclass(frozen=True, slots=True)
class Usual:
    """What scores usually are: their median and their standard deviation, 0 without any."""

    height: float = 0.0
    spread: float = 0.0

    def above(self, score: float) -> float:
        """Return by how many standard deviations a score is above what is usual."""
        return (score - self.height) / self.spread if self.spread else 0.0


def usual(scores: F32) -> Usual:
    """Return what scores usually are, by evenly chosen rows where there are many."""
    some = scores[:: 1 + len(scores) // SAMPLED]
    return Usual(float(np.median(some)), float(some.std())) if len(some) else Usual()


def peaks(scores: F32, joined: Bools, usual_height: float) -> Iterator[Peak]:
    """Yield the peaks of f32[N], the highest first, while they are higher than is usual; the first one always.

    Rows of minus infinity belong to no peak.
    """
    left, begun = scores.copy(), False
    while len(left):
        row = int(left.argmax())
        height = float(left[row])
        if height == -np.inf or (begun and height <= usual_height):
            return
        begun = True
        yield Peak(row, *_grown(left, joined, row, usual_height + EXTENT * (height - usual_height)), height)
        first, last = _grown(left, joined, row, usual_height + SHOULDER * (height - usual_height))
        left[first : last + 1] = -np.inf


def _grown(scores: F32, joined: Bools, row: int, level: float) -> tuple[int, int]:
    """Return the first and last row around ``row`` that are joined to it by rows of ``level`` or more."""
    first = row
    while first and joined[first - 1] and scores[first - 1] >= level:
        block = slice(max(0, first - STEP), first)
        runs = joined[block] & (scores[block] >= level)
        first -= len(runs) if runs.all() else int(np.argmin(runs[::-1]))
    last = row
    while last < len(scores) - 1 and joined[last] and scores[last + 1] >= level:
        runs = joined[last : last + STEP] & (scores[last + 1 : last + 1 + STEP] >= level)
        last += len(runs) if runs.all() else int(np.argmin(runs))
    return first, last
