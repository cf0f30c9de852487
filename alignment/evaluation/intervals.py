"""95 % intervals of event metrics, by a bootstrap over videos (Efron 1979).

Whole videos are resampled with replacement, because the results of queries on one video are correlated. An interval is
None for a group on fewer than two videos: nothing can be said there about other videos.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from alignment.evaluation.per_query import Outcome
from alignment.types import F64

RESAMPLES = 1000
Interval = tuple[float, float]  # low, high


@dataclass(frozen=True, slots=True)
class EventIntervals:
    """Intervals of event metrics at one tIoU; alerts per query and hour."""

    precision: Interval | None
    recall: Interval | None
    f1: Interval | None
    false_alerts: Interval | None


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals of one group of queries: by tIoU, and of the false alerts on absent queries per query and hour."""

    events: dict[float, EventIntervals]
    absent_false_alerts: Interval | None


def intervals(outcomes: Sequence[Outcome], tious: Sequence[float], seed: int = 0) -> Intervals:
    """Return the intervals of a group of queries; resamples in which a metric is undefined are left out of it."""
    counts: dict[str, F64] = {}
    for o in outcomes:
        counts[o.annotation.vid] = counts.get(o.annotation.vid, 0.0) + _counts(o, tious)
    if len(counts) < 2:
        nothing = EventIntervals(None, None, None, None)
        return Intervals(dict.fromkeys(tious, nothing), None)
    sums = _weights(len(counts), seed) @ np.stack([counts[vid] for vid in sorted(counts)])
    hours, absent_hours, absent_events, events, truths, *found = sums.T
    return Intervals(
        {t: _events(hits, events, truths, hours) for t, hits in zip(tious, found, strict=True)},
        _interval(absent_events, absent_hours),
    )


def _counts(o: Outcome, tious: Sequence[float]) -> F64:
    hours, events, truths = o.annotation.duration / 3600, len(o.windows), len(o.annotation.windows)
    absent = not truths
    return np.array([hours, hours * absent, events * absent, events, truths, *(len(o.matches[t]) for t in tious)])


def _events(found: F64, events: F64, truths: F64, hours: F64) -> EventIntervals:
    """Return the intervals at one tIoU; without any event, precision is 0, as a decision that finds nothing."""
    return EventIntervals(
        precision=_interval(found, np.maximum(events, truths > 0)),
        recall=_interval(found, truths),
        f1=_interval(2 * found * (truths > 0), (events + truths) * (truths > 0)),
        false_alerts=_interval(events - found, hours),
    )


def _interval(part: F64, whole: F64) -> Interval | None:
    values = np.sort(part[whole > 0] / whole[whole > 0])
    if not len(values):
        return None
    return float(values[int(0.025 * len(values))]), float(values[int(0.975 * len(values))])


@lru_cache(maxsize=8)
def _weights(videos: int, seed: int) -> F64:
    """Return f64[RESAMPLES, videos]: how often each resample draws each video."""
    draw = random.Random(seed).choice
    drawn = [np.bincount([draw(range(videos)) for _ in range(videos)], minlength=videos) for _ in range(RESAMPLES)]
    return np.array(drawn, np.float64)
