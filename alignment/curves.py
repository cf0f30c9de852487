"""What a higher threshold would have made of the decided events: precision, recall, F1 and stray alerts.

Events below the threshold with which they were decided were never seen, so the curves end there. Better-scored events
take their windows first, so leaving out the worst changes no match among the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

import numpy as np

from alignment.matching import overlaps
from alignment.outcomes import Outcome
from alignment.types import F64

TIOU = 0.5


@dataclass(frozen=True, slots=True)
class DecisionCurve:
    """Each entry tells of the events that score at least ``threshold``, which falls. f64[N]; tIoU 0.5."""

    threshold: F64
    precision: F64
    recall: F64
    f1: F64
    strays_per_hour: F64  # a query


def decision_curve(outcomes: Sequence[Outcome]) -> DecisionCurve | None:
    """Return the curve of a group of queries; None where nothing was true or nothing decided."""
    truths = sum(len(o.annotation.windows) for o in outcomes)
    hours = fsum(o.annotation.duration for o in outcomes) / 3600
    rows = [row for o in outcomes for row in _events(o)]
    if not (truths and rows):
        return None
    score, hit, stray = np.array(sorted(rows, reverse=True), np.float64).T
    last = np.append(score[1:] != score[:-1], True)  # equal scores are above a threshold together
    found, strays, given = (x[last] for x in (np.cumsum(hit), np.cumsum(stray), np.arange(1, len(score) + 1)))
    return DecisionCurve(score[last], found / given, found / truths, 2 * found / (given + truths), strays / hours)


def _events(o: Outcome) -> list[tuple[float, bool, bool]]:
    """Return (score, found a window, touches none) of each event."""
    touching = overlaps(o.windows, o.annotation.windows).max(axis=1, initial=0.0) > 0
    return [(w[2], bool(hit), not touches) for w, hit, touches in zip(o.windows, o.hits(TIOU), touching, strict=True)]
