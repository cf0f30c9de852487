"""Precision, recall, F1 and false alerts of the decided events as functions of a higher threshold.

Events below the threshold of the decision do not exist, so the curves end there. Events are matched by falling score,
so removing those with the lowest scores does not change the matches of the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

import numpy as np

from alignment.evaluation.per_query import ALERT_TIOU, Outcome
from alignment.types import F64


@dataclass(frozen=True, slots=True)
class DecisionCurve:
    """Each entry covers the events that score at least ``threshold``; thresholds fall. f64[N]; ``ALERT_TIOU``."""

    threshold: F64
    precision: F64
    recall: F64
    f1: F64
    false_alerts_per_hour: F64  # per query


def decision_curve(outcomes: Sequence[Outcome]) -> DecisionCurve | None:
    """Return the curve of a group of queries; None without true windows or without events."""
    truths = sum(len(o.annotation.windows) for o in outcomes)
    hours = fsum(o.annotation.duration for o in outcomes) / 3600
    rows = [row for o in outcomes for row in _events(o)]
    if not (truths and rows):
        return None
    score, hit = np.array(sorted(rows, reverse=True), np.float64).T
    last = np.append(score[1:] != score[:-1], True)  # equal scores pass a threshold together
    found, given = np.cumsum(hit)[last], np.arange(1, len(score) + 1)[last]
    f1 = 2 * found / (given + truths)
    return DecisionCurve(score[last], found / given, found / truths, f1, (given - found) / hours)


def _events(o: Outcome) -> list[tuple[float, bool]]:
    """Return (score, matches a true window) of each event."""
    return [(w[2], bool(hit)) for w, hit in zip(o.windows, o.hits(ALERT_TIOU), strict=True)]
