"""From what an aligner says of a window to a moment: where it begins and ends, and how probable it is."""

from dataclasses import dataclass

import numpy as np

from alignment.types import ScoreTrack

EXTENT = 0.5  # of the highest probability: clips above it belong to the moment; twice as probable ones are another
MARGIN = 2  # clips beside a proposal in which its moment may have its peak
LEAST = 1e-6
SUREST = 3  # clips whose mean probability is the score, as of an event


@dataclass(frozen=True, slots=True)
class Aligned:
    """A moment in a window: stream seconds, score, and the time of its surest clip.

    ``open``: it begins or ends where the window does, (False, False) within it.
    """

    start: float
    end: float
    score: float
    peak: float
    open: tuple[bool, bool]


def aligned(track: ScoreTrack, start: float, end: float) -> Aligned:
    """Return the moment of a track, of at least one clip, around a proposal from ``start`` to ``end``."""
    near = np.flatnonzero((track.bounds[:, 1] > start) & (track.bounds[:, 0] < end))
    first, last = (near[0], near[-1]) if len(near) else (0, len(track.p) - 1)
    first, last = max(0, first - MARGIN), min(len(track.p) - 1, last + MARGIN)
    peak = int(first + track.p[first : last + 1].argmax())
    level = track.p[peak]
    other = np.flatnonzero((track.p < EXTENT * level) | (track.p > level / EXTENT))
    before, after = other[other < peak], other[other > peak]
    first = int(before[-1]) + 1 if len(before) else 0
    last = int(after[0]) - 1 if len(after) else len(track.p) - 1
    inside = track.p[first : last + 1]
    return Aligned(
        float(track.bounds[first, 0]),
        float(track.bounds[last, 1]),
        float(np.sort(inside)[-SUREST:].mean()),
        float(track.bounds[peak].mean()),
        (not len(before), not len(after)),
    )


def logit(p: float) -> float:
    """Return the logit of a probability, of one that is nearly 0 or 1 that of a millionth."""
    p = min(max(p, LEAST), 1 - LEAST)
    return float(np.log(p / (1 - p)))
