"""How many spans each threshold would give in a whole segment: the counts of ``LevelTally``, level by level at once."""

import numpy as np
from numpy.typing import NDArray

from alignment.spans.at_once import FinalTrack
from alignment.spans.budget import LevelTally
from alignment.spans.tracker import SpanRule
from alignment.types import F64


def counts_at_once(levels: F64, rule: SpanRule, track: FinalTrack, since: float = -np.inf) -> F64:
    """Return f64[K]: the spans at each of the rising levels f64[K]; clips with a middle before ``since`` do not count.

    As in a tally, a clip lies where it does when it leaves the window: only the last window is left at once.
    """
    p = track.p.astype(np.float64)
    likely = np.flatnonzero(p >= levels[0] * rule.exit_ratio)
    start, end = _leaving(track, likely)
    counts = start + end >= 2 * since
    likely, start, end = likely[counts], start[counts], end[counts]
    beside = np.diff(likely) == 1
    if (beside & (end[:-1] + rule.merge_gap_s < start[1:])).any():  # a rise may end where clips are apart
        return _one_by_one(levels, rule, track, likely)
    values = p[likely]
    return np.array([_count(level, rule, likely, values, start, end) for level in levels], np.float64)


def _leaving(track: FinalTrack, clips: NDArray[np.int64]) -> tuple[F64, F64]:
    """Return where clips begin and end when they leave the window."""
    alone = clips <= track.first(track.hops)
    return np.where(alone, track.edge[clips], track.bounds[clips, 0]), track.bounds[clips, 1]


def _count(level: float, rule: SpanRule, number: NDArray[np.int64], p: F64, start: F64, end: F64) -> int:
    above = p >= level * rule.exit_ratio
    number, p, start, end = number[above], p[above], start[above], end[above]
    begins = np.diff(number, prepend=-2) > 1
    rise = np.maximum.accumulate(np.where(begins, np.arange(len(p)), 0))
    entry = np.maximum.accumulate(np.where(p >= level, np.arange(len(p)), -1))
    active = np.flatnonzero(entry >= rise)
    if not len(active):
        return 0
    apart = end[active[:-1]] + rule.merge_gap_s < start[active[1:]]
    first, last = active[np.append(True, apart)], active[np.append(apart, True)]
    return int((end[last] - start[rise[first]] >= rule.min_duration_s - 1e-6).sum())


def _one_by_one(levels: F64, rule: SpanRule, track: FinalTrack, likely: NDArray[np.int64]) -> F64:
    tally = LevelTally(levels, rule.exit_ratio, rule.min_duration_s, rule.merge_gap_s)
    counts = np.zeros(len(levels))
    clips = np.unique(np.concatenate([likely, likely + 1]))  # a clip below all exits ends a rise
    clips = clips[clips < len(track.p)]
    for p, start, end in zip(track.p[clips].tolist(), *(x.tolist() for x in _leaving(track, clips)), strict=True):
        _, done = tally.add(p, start, end)
        counts += 0 if done is None else done
    return np.asarray(counts + tally.finish())
