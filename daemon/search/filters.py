"""Which rows of a shard a search may find: by time, by objects that were detected, by words that were said."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignment.search.wording import words_of
from alignment.types import F64, Bools
from workers.index.shard import Shard

BESIDE_OBJECT_S = 1.5  # an object is missed in single frames
BESIDE_WORDS_S = 3.0  # what is talked about is seen a little earlier or later


@dataclass(frozen=True, slots=True)
class Interval:
    """Stream seconds of one source, by ``TapeInfo.key``."""

    key: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Filter:
    """What a search is restricted to; None and empty: to nothing.

    ``since`` and ``until``: Unix seconds; of a file, when it was watched. ``classes``: numbers of detected objects, any
    of which is near. ``words``: all of which are said near by. ``without``: what is not to be found.
    """

    since: float | None = None
    until: float | None = None
    classes: tuple[int, ...] = ()
    words: frozenset[str] = frozenset()
    without: Interval | None = None

    def admits(self, shard: Shard) -> bool:
        """Return whether any row of a shard may be found, by its time and by what is known of it."""
        tape = shard.info.tape
        start, end = (shard.start, shard.end) if tape.live else (tape.recorded, tape.recorded)
        in_time = (self.since is None or end >= self.since) and (self.until is None or start <= self.until)
        return in_time and (tape.detects or not self.classes)

    def hours(self, shard: Shard) -> float:
        """Return how many hours of a shard lie in the time that is searched."""
        start, end = shard.start, shard.end
        if shard.info.tape.live:
            start = start if self.since is None else max(start, self.since)
            end = end if self.until is None else min(end, self.until)
        return max(0.0, end - start) / 3600

    def allowed(self, shard: Shard, start: F64, end: F64) -> Bools:
        """Return bool[R]: which rows from ``start`` to ``end``, f64[R] stream seconds, may be found."""
        found = np.ones(len(start), bool)
        if shard.info.tape.live:
            found &= (end >= (-np.inf if self.since is None else self.since)) & (
                start <= (np.inf if self.until is None else self.until)
            )
        if self.without is not None and self.without.key == shard.info.tape.key:
            found &= (end <= self.without.start) | (start >= self.without.end)
        if self.classes:
            found &= _overlap(start, end, self._near_objects(shard))
        if self.words:
            found &= _overlap(start, end, self._near_words(shard))
        return found

    def _near_objects(self, shard: Shard) -> F64:
        columns, wanted = shard.columns, np.zeros(256, bool)
        wanted[list(self.classes)] = True
        rows = np.flatnonzero(wanted[columns["object_class"]])
        rows = rows[columns["object_logit"][rows] >= 0]
        frames = np.searchsorted(np.cumsum(columns["objects"], dtype=np.int64), rows, "right")
        t = np.asarray(shard.t)[frames]
        return np.stack([t - BESIDE_OBJECT_S, t + BESIDE_OBJECT_S], axis=1)

    def _near_words(self, shard: Shard) -> F64:
        said = [(u.start_s, u.end_s) for u in shard.utterances if self.words <= words_of(u.text)]
        spans = np.array(sorted(said), np.float64).reshape(-1, 2)
        return np.asarray(spans + np.array([-BESIDE_WORDS_S, BESIDE_WORDS_S]), np.float64)


def _overlap(start: F64, end: F64, intervals: F64) -> NDArray[np.bool_]:
    """Return bool[R]: whether a row touches any of the intervals f64[K, 2], which are in order of their start."""
    if not len(intervals):
        return np.zeros(len(start), bool)
    first = np.searchsorted(np.maximum.accumulate(intervals[:, 1]), start)
    begins = np.append(intervals[:, 0], np.inf)[first]
    return np.asarray(begins <= end)
