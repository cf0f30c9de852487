"""Histograms (one bisection per value), and the age of the work in flight."""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from types import TracebackType
from typing import Self

from workers.clock import Clock

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BATCH_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 48.0, 64.0, 128.0, 256.0)


@dataclass(frozen=True, slots=True)
class HistogramSnapshot:
    """A histogram at one moment.

    ``counts[i]`` values were at most ``bounds[i]`` and above the bound before; the last count is of those
    above all bounds, so there is one more count than bounds.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float  # sum of all values

    def __add__(self, other: Self) -> "HistogramSnapshot":
        """Return the sum of both; raise ``ValueError`` if the bounds differ."""
        if self.bounds != other.bounds:
            raise ValueError("histograms with different bounds cannot be added")
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        return HistogramSnapshot(self.bounds, counts, self.total + other.total)

    @property
    def count(self) -> int:
        """Return how many values were observed."""
        return sum(self.counts)


class Histogram:
    """Counts values into fixed buckets. One thread observes; any thread may take a snapshot.

    A snapshot taken during ``observe`` may lack the newest value in ``total`` but not in ``counts``.
    """

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        """Take the rising upper bounds of the buckets (Prometheus' ``le``)."""
        if not bounds or any(b <= a for a, b in pairwise(bounds)):
            raise ValueError("bounds must rise and there must be at least one")
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    @contextmanager
    def time(self) -> Iterator[None]:
        """Count how many seconds a block takes."""
        began = perf_counter()
        try:
            yield
        finally:
            self.observe(perf_counter() - began)

    def snapshot(self) -> HistogramSnapshot:
        """Return a copy."""
        return HistogramSnapshot(self._bounds, tuple(self._counts), self._total)


class InFlightTimer:
    """Measures how long a ``with`` block has been running. One thread enters it; any thread may read ``seconds``."""

    __slots__ = ("_began", "_clock")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began: float | None = None  # monotonic

    def __enter__(self) -> None:
        self._began = self._clock.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._began = None

    @property
    def seconds(self) -> float:
        """Return the age of the running block in seconds; 0 outside of it."""
        began = self._began
        return 0.0 if began is None else self._clock.monotonic() - began
