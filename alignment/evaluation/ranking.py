"""Metrics of ranked lists of moments, as a search returns them. ``metrics`` is for decided events."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from alignment.evaluation.annotations import Annotation
from alignment.evaluation.matching import average_precision
from alignment.evaluation.per_query import TIOU_THRESHOLDS, outcome
from alignment.search.retrieval import Moment

DEPTHS = (1, 5, 10)
TIOU = 0.5


@dataclass(frozen=True, slots=True)
class AtDepth:
    """Precision, recall and F1 of the first k moments at tIoU 0.5, each a mean over queries."""

    precision: float
    recall: float
    f1: float
    hit: float  # R@k: share of queries with at least one correct moment


@dataclass(frozen=True, slots=True)
class Ranking:
    """The metrics of one kind of search. ``mean_ap``: mean over queries and ``TIOU_THRESHOLDS``."""

    queries: int
    at: dict[int, AtDepth]  # by k, DEPTHS
    mean_ap: float


def rank(answers: Sequence[tuple[Annotation, Sequence[Moment]]]) -> Ranking:
    """Compare the moments found for each query, at least one, with its true windows.

    A moment is correct if it matches a true window that no better moment has matched. Every query has true windows.
    """
    outcomes = [outcome(a, [(m.start, m.end, m.score) for m in moments]) for a, moments in answers]
    found = [(o.hits(TIOU), len(o.annotation.windows)) for o in outcomes]
    precisions = [average_precision(o.hits(t), len(o.annotation.windows)) for o in outcomes for t in TIOU_THRESHOLDS]
    at = {k: _at_depth([(int(hits[:k].sum()), truths) for hits, truths in found], k) for k in DEPTHS}
    return Ranking(len(outcomes), at, fmean(precisions))


def _at_depth(found: Sequence[tuple[int, int]], k: int) -> AtDepth:
    return AtDepth(
        precision=fmean(right / k for right, _ in found),
        recall=fmean(right / truths for right, truths in found),
        f1=fmean(2 * right / (k + truths) for right, truths in found),
        hit=fmean(right > 0 for right, _ in found),
    )
