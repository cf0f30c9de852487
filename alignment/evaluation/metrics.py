"""Metrics of decided events against annotations.

*Decided* means that every event counts, unlike a ranked list of which only the best entries count. The predictions of
a query, by falling score, take the free true window with the largest tIoU, if it reaches the threshold. A prediction
that takes none at tIoU 0.3 is a *false alert*: what it shows is something else, also if it touches a true window. A
query whose event never happens is *absent*: its predictions reduce precision and are false alerts, and it is left out
of every mean over queries (mAP, R1, HIT@1), because QVHighlights (Lei et al., 2021) has no such queries.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum
from operator import attrgetter

import numpy as np

from alignment.evaluation.annotations import FAMILIES, Annotation, Prediction, Qid
from alignment.evaluation.intervals import Intervals, intervals
from alignment.evaluation.matching import TOLERANCE, average_precision
from alignment.evaluation.per_query import ALERT_TIOU, TIOU_THRESHOLDS, Outcome, outcome
from alignment.evaluation.start_detection import StartFigures, start_figures

EVENT_THRESHOLDS = (ALERT_TIOU, 0.5)
ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class EventFigures:
    """Event metrics at one tIoU. Recall and F1 are None without true windows; time errors are None without a match."""

    precision: float | None
    recall: float | None
    f1: float | None
    found: int
    false_alerts_per_query_hour: float | None  # events that match no true window at this tIoU
    start_delay_s: float | None  # mean of predicted minus true start; above 0: late
    abs_start_error_s: float | None
    abs_end_error_s: float | None


@dataclass(frozen=True, slots=True)
class AbsentFigures:
    """The absent queries of a group: every event is a false alert. None without such queries."""

    queries: int
    predicted: int
    query_hours: float
    false_alerts_per_query_hour: float | None
    silent_rate: float | None  # share of absent queries without an event


@dataclass(frozen=True, slots=True)
class Figures:
    """All metrics of one group of queries; None if a metric is not defined for the group."""

    queries: int
    truths: int
    predicted: int
    query_hours: float  # summed duration of the queries
    events: dict[float, EventFigures]  # by tIoU, EVENT_THRESHOLDS
    absent: AbsentFigures
    mean_ap: float | None  # AP per query with windows, mean over those queries and over TIOU_THRESHOLDS
    pooled_ap: float | None  # AP of one ranked list over all queries, mean over TIOU_THRESHOLDS
    r1: float | None  # share of queries with windows whose first listed prediction has tIoU 0.5 with one of them
    hit1: float | None  # share of queries with windows whose first listed moment is true: see ``evaluate``
    foreground_mse: float | None
    foreground_accuracy: float | None
    starts: StartFigures | None
    ci95: Intervals | None = None  # over videos; ``figures`` leaves them out, ``evaluate`` does not


@dataclass(frozen=True, slots=True)
class InputInfo:
    """Irregularities of the predictions; none of them is an error."""

    unknown_qids: int  # lines for queries that are not annotated: ignored
    invalid_windows: int  # no usable time: counted as false alerts
    queries_without_line: int  # counted as queries without predictions


@dataclass(frozen=True, slots=True)
class Report:
    """The metrics overall and by group. ``per_family`` also has ``ABSENT``, the absent queries of all families."""

    overall: Figures
    per_family: dict[str, Figures]
    per_kind: dict[str, Figures]
    per_modality: dict[str, Figures]
    per_source: dict[str, Figures]
    per_modality_kind: dict[str, Figures]
    input: InputInfo


def evaluate(annotations: Sequence[Annotation], predictions: Sequence[Prediction], seed: int = 0) -> Report:
    """Compare predictions with annotations, in any order, and return all metrics.

    HIT@1 is 1 if the first listed moment is true. A decided event has one score for all its moments, so its middle
    represents it. The *alignment error* (``foreground_mse``) is the mean squared difference per second between the
    predicted foreground (the score, clipped to 0..1, inside events; 0 outside) and the true one (1 or 0);
    ``foreground_accuracy`` is the share of seconds that are correctly inside or outside of all events. Both give
    every second of every query the same weight, including absent queries.
    """
    by_qid = {p.qid: p for p in predictions}
    outcomes = judge(annotations, predictions)
    return Report(
        overall=_with_intervals(outcomes, seed),
        per_family={family: _with_intervals(group, seed) for family, group in by_family(outcomes).items()},
        per_kind=_figures_by(outcomes, "{0.kind}", seed),
        per_modality=_figures_by(outcomes, "{0.modality}", seed),
        per_source=_figures_by(outcomes, "{0.source}", seed),
        per_modality_kind=_figures_by(outcomes, "{0.modality}/{0.kind}", seed),
        input=_input_info({a.qid for a in annotations}, by_qid),
    )


def judge(annotations: Sequence[Annotation], predictions: Sequence[Prediction]) -> list[Outcome]:
    """Return one outcome per query, in order of ``annotations``: its predictions compared with its true windows."""
    by_qid = {p.qid: p for p in predictions}
    given = [by_qid.get(a.qid, Prediction(a.qid, ())) for a in annotations]
    return [outcome(a, p.windows, p.alerts) for a, p in zip(annotations, given, strict=True)]


def grouped(outcomes: Sequence[Outcome], label: str) -> dict[str, list[Outcome]]:
    """Return the outcomes by ``label``, a format of their annotation such as ``{0.kind}``; sorted."""
    groups: dict[str, list[Outcome]] = {}
    for o in outcomes:
        groups.setdefault(label.format(o.annotation), []).append(o)
    return dict(sorted(groups.items()))


def by_family(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """Return the outcomes by family, with their absent queries; last, all absent queries together as ``ABSENT``."""
    groups = grouped(outcomes, "{0.family}")
    ordered = {family: groups.pop(family) for family in FAMILIES if family in groups} | groups
    absent = [o for o in outcomes if not o.annotation.windows]
    return ordered | ({ABSENT: absent} if absent else {})


def figures(outcomes: Sequence[Outcome]) -> Figures:
    """Return the metrics of one group of queries."""
    present = [o for o in outcomes if o.annotation.windows]
    hours = _hours(outcomes)
    seconds = sum(o.foreground.seconds for o in outcomes)
    return Figures(
        queries=len(outcomes),
        truths=sum(len(o.annotation.windows) for o in outcomes),
        predicted=sum(len(o.windows) for o in outcomes),
        query_hours=hours,
        events={t: _event_figures(outcomes, t, hours) for t in EVENT_THRESHOLDS},
        absent=_absent_figures([o for o in outcomes if not o.annotation.windows]),
        mean_ap=_mean(_mean_ap(present, t) for t in TIOU_THRESHOLDS) if present else None,
        pooled_ap=_mean(_pooled_ap(outcomes, t) for t in TIOU_THRESHOLDS) if present else None,
        r1=_mean(o.first_tiou >= 0.5 - TOLERANCE for o in present),
        hit1=_mean(o.first_inside for o in present),
        foreground_mse=_ratio(fsum(o.foreground.squared_error for o in outcomes), seconds),
        foreground_accuracy=_ratio(sum(o.foreground.right for o in outcomes), seconds),
        starts=start_figures(outcomes),
    )


def _absent_figures(absent: Sequence[Outcome]) -> AbsentFigures:
    predicted, hours = sum(len(o.windows) for o in absent), _hours(absent)
    silent = _mean(not o.windows for o in absent)
    return AbsentFigures(len(absent), predicted, hours, _ratio(predicted, hours), silent)


def _event_figures(outcomes: Sequence[Outcome], threshold: float, hours: float) -> EventFigures:
    predicted = sum(len(o.windows) for o in outcomes)
    truths = sum(len(o.annotation.windows) for o in outcomes)
    pairs = [(o.windows[m.predicted], o.annotation.windows[m.true]) for o in outcomes for m in o.matches[threshold]]
    precision, recall, f1 = _precision_recall_f1(len(pairs), predicted, truths)
    return EventFigures(
        precision=precision,
        recall=recall,
        f1=f1,
        found=len(pairs),
        false_alerts_per_query_hour=_ratio(predicted - len(pairs), hours),
        start_delay_s=_mean(p[0] - g[0] for p, g in pairs),
        abs_start_error_s=_mean(abs(p[0] - g[0]) for p, g in pairs),
        abs_end_error_s=_mean(abs(p[1] - g[1]) for p, g in pairs),
    )


def _precision_recall_f1(found: int, predicted: int, truths: int) -> tuple[float | None, float | None, float | None]:
    """Return precision, recall and F1. Without true windows only precision is defined: 0 if there are predictions."""
    if not truths:
        return (0.0 if predicted else None), None, None
    return _ratio(found, predicted) or 0.0, found / truths, 2 * found / (predicted + truths)


def _mean_ap(present: Sequence[Outcome], threshold: float) -> float:
    return fsum(average_precision(o.hits(threshold), len(o.annotation.windows)) for o in present) / len(present)


def _pooled_ap(outcomes: Sequence[Outcome], threshold: float) -> float:
    """Return the AP of one ranking of all queries' predictions; equal scores are ordered by query, not by input."""
    ranked: list[tuple[float, bool, Qid, int, bool]] = []
    for o in outcomes:
        qid = o.annotation.qid
        for place, (window, hit) in enumerate(zip(o.windows, o.hits(threshold), strict=True)):
            ranked.append((-window[2], isinstance(qid, str), qid, place, bool(hit)))
    ranked.sort()
    truths = sum(len(o.annotation.windows) for o in outcomes)
    return average_precision(np.array([entry[-1] for entry in ranked], np.bool_), truths)


def _figures_by(outcomes: Sequence[Outcome], label: str, seed: int) -> dict[str, Figures]:
    return {key: _with_intervals(group, seed) for key, group in grouped(outcomes, label).items()}


def _with_intervals(outcomes: Sequence[Outcome], seed: int) -> Figures:
    return replace(figures(outcomes), ci95=intervals(outcomes, EVENT_THRESHOLDS, seed))


def _hours(outcomes: Sequence[Outcome]) -> float:
    return fsum(o.annotation.duration for o in outcomes) / 3600


def _input_info(annotated: set[Qid], by_qid: Mapping[Qid, Prediction]) -> InputInfo:
    known = [p for p in by_qid.values() if p.qid in annotated]
    return InputInfo(
        unknown_qids=len(by_qid) - len(known),
        invalid_windows=sum(map(attrgetter("invalid"), known)),
        queries_without_line=len(annotated) - len(known),
    )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return fsum(listed) / len(listed) if listed else None
