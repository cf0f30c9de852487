"""Detection of starts on a stream: Eyzaguirre et al., "Streaming Detection of Queried Event Start", NeurIPS 2024.

What counts is the *alert time*: the stream second in which an event was first reported. The start that the system then
gives to the event may be exact although the report was late. All figures are means over true windows.

- *Streaming recall* SR@k: share of true starts with one of the first k alerts within a tolerance, from some seconds
  before the start to some seconds after it. ``TOLERANCES`` are those of the authors' baselines.
- *Streaming minimum distance* SMD@k: seconds from the start to the nearest of the first k alerts; the length of the
  stream if it has none.

SDQES has one start per query. Here each true start of a query has a stream of its own: it ends where the stream of the
next one begins, and begins ``LEAD_S`` before the start, but not before the middle between two starts; the first begins
with the video. So every alert belongs to one start. An early false alert is one of the first k. Absent queries have no
start: their alerts count in ``metrics`` only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from alignment.evaluation.per_query import Outcome

TOLERANCES = ((2.0, 5.0), (5.0, 10.0))  # s before and after the start
FIRST = (1, 2, 3)  # k
LEAD_S = max(early for early, _ in TOLERANCES)

Tolerance = tuple[float, float]


@dataclass(frozen=True, slots=True)
class StartFigures:
    """``recall`` by k and tolerance, ``min_distance_s`` by k, for a group of queries with ``starts`` true windows."""

    starts: int
    recall: dict[tuple[int, Tolerance], float]
    min_distance_s: dict[int, float]


@dataclass(frozen=True, slots=True)
class _Stream:
    """The part of a query's video that belongs to one true start, and the alert times in it, rising."""

    start: float
    length_s: float
    alerts: tuple[float, ...]

    def detects(self, k: int, tolerance: Tolerance) -> bool:
        early, late = tolerance
        return any(self.start - early <= t <= self.start + late for t in self.alerts[:k])

    def distance_s(self, k: int) -> float:
        return min((abs(t - self.start) for t in self.alerts[:k]), default=self.length_s)


def start_figures(outcomes: Sequence[Outcome]) -> StartFigures | None:
    """Return the figures of a group of queries; None without true windows, or if alert times are not known."""
    if any(o.alerts is None for o in outcomes):
        return None
    streams = [stream for o in outcomes for stream in _streams(o)]
    if not streams:
        return None
    return StartFigures(
        starts=len(streams),
        recall={(k, t): fmean(s.detects(k, t) for s in streams) for t in TOLERANCES for k in FIRST},
        min_distance_s={k: fmean(s.distance_s(k) for s in streams) for k in FIRST},
    )


def _streams(o: Outcome) -> Iterator[_Stream]:
    starts = sorted(start for start, _ in o.annotation.windows)
    later = [start - min(LEAD_S, (start - before) / 2) for before, start in pairwise(starts)]
    bounds = [0.0, *later, float("inf")]
    for start, (begin, end) in zip(starts, pairwise(bounds), strict=False):
        alerts = tuple(t for t in sorted(o.alerts or ()) if begin <= t < end)
        yield _Stream(start, min(end, o.annotation.duration) - begin, alerts)
