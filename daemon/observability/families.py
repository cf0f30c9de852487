"""Families of Prometheus metrics, each from its name, its help text, its labels and its rows.

A reason that is not in its closed set becomes ``other``: what a library says never becomes a label.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from workers.telemetry import BATCH_SIZES, HistogramSnapshot

OTHER = "other"

S = TypeVar("S")
Rows = Iterable[tuple[tuple[str, ...], float]]  # the values of the labels, and the number


def gauge(name: str, text: str, labels: list[str], rows: Rows) -> Metric:
    """Return a gauge; ``watchword_`` comes before its name."""
    family = GaugeMetricFamily(f"watchword_{name}", text, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def counter(name: str, text: str, labels: list[str], rows: Rows) -> Metric:
    """Return a counter; ``watchword_`` comes before its name, and ``_total`` after it."""
    family = CounterMetricFamily(f"watchword_{name}", text, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def histogram(
    name: str, text: str, labels: list[str], rows: Iterable[tuple[tuple[str, ...], HistogramSnapshot]]
) -> Metric:
    """Return a histogram; ``watchword_`` comes before its name."""
    family = HistogramMetricFamily(f"watchword_{name}", text, labels=labels)
    for values, taken in rows:
        limits = [*(str(float(b)) for b in taken.bounds), "+Inf"]
        buckets = list(zip(limits, accumulate(map(float, taken.counts)), strict=True))
        family.add_metric(values, buckets, taken.total)
    return family


def one(sources: Iterable[tuple[str, S]], value: Callable[[S], float | None]) -> Rows:
    """Return one row for every camera; nothing counts as 0."""
    return [((camera,), float(value(source) or 0)) for camera, source in sources]


def folded(counts: Iterable[tuple[str, Mapping[str, int]]], known: frozenset[str]) -> Rows:
    """Yield one row for every known reason, so that rates start at 0, and one for all other reasons together."""
    for camera, by_reason in counts:
        counted = Counter(dict.fromkeys(known, 0))
        for reason, n in by_reason.items():
            counted[reason if reason in known else OTHER] += n
        for reason in sorted(counted):
            yield (camera, reason), counted[reason]


def batch_sizes(batches: Mapping[int, int]) -> HistogramSnapshot:
    """Return a histogram of batches, from how many there were of each size."""
    counts = [0] * (len(BATCH_SIZES) + 1)
    for size, times in batches.items():
        counts[bisect_left(BATCH_SIZES, size)] += times
    return HistogramSnapshot(BATCH_SIZES, tuple(counts), float(sum(n * times for n, times in batches.items())))
