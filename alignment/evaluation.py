"""How well decided events agree with what really happened.

*Decided* means that every event counts: there is no list of guesses from which only the best are taken. All
predictions of a query, by falling score, take the free true window with the largest tIoU, if that reaches the
threshold. A query whose described thing never happens (*absent*) has nothing to find: its predictions cost
precision and false alerts, and it stays out of every mean over queries (mAP, R1, HIT@1), as it would in
QVHighlights (Lei et al., 2021), which has no such queries.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from operator import attrgetter

import numpy as np

from alignment.annotations import Annotation, Prediction, Qid
from alignment.matching import TOLERANCE, average_precision
from alignment.outcomes import TIOU_THRESHOLDS, Outcome, outcome

EVENT_THRESHOLDS = (0.5, 0.3)
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class EventFigures:
    """Events at one tIoU. Recall and F1 are None without true windows, errors without a match."""

    precision: float | None
    recall: float | None
    f1: float | None
    found: int
    false_alerts_per_query_hour: float | None
    start_delay_s: float | None  # mean of predicted minus true start; late is above 0
    abs_start_error_s: float | None
    abs_end_error_s: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of one group of queries; None where a figure is not defined for the group."""

    queries: int
    truths: int
    predicted: int
    query_hours: float  # summed duration of the queries
    events: dict[float, EventFigures]  # by tIoU, EVENT_THRESHOLDS
    stray_alerts_per_query_hour: float | None  # predictions that touch no true window of their query
    silent_absent_rate: float | None  # share of absent queries without a prediction
    mean_ap: float | None  # AP per query that has windows, mean over those and over TIOU_THRESHOLDS
    pooled_ap: float | None  # AP of one ranked list over all queries, mean over TIOU_THRESHOLDS
    r1: float | None  # share of queries with windows whose best-scored prediction has tIoU 0.5 with one of them
    hit1: float | None  # share of queries with windows whose best-scored moment is true: see ``evaluate``
    foreground_mse: float | None
    foreground_accuracy: float | None


@dataclass(frozen=True, slots=True)
class InputInfo:
    """What was odd about the predictions; none of it is an error."""

    unknown_qids: int  # lines for queries that are not annotated: left out
    invalid_windows: int  # no usable time: counted as false alerts
    queries_without_line: int  # counted as queries without predictions


@dataclass(frozen=True, slots=True)
class Report:
    """The figures overall and of each group by its label; the 95 % interval of the overall F1 at tIoU 0.5."""

    overall: Figures
    f1_interval: tuple[float, float]
    per_kind: dict[str, Figures]
    per_modality: dict[str, Figures]
    per_source: dict[str, Figures]
    per_modality_kind: dict[str, Figures]
    input: InputInfo


def evaluate(annotations: Sequence[Annotation], predictions: Sequence[Prediction], seed: int = 0) -> Report:
    """Hold predictions against annotations; the order of either does not matter.

    HIT@1 asks whether the best-scored moment is true. A decided event has one score for all its moments, so
    its middle stands for it. The *alignment error* (``foreground_mse``) is the mean squared difference,
    second by second, between the predicted foreground (the score, cut to 0..1, inside events; 0 outside) and
    the true one (1 or 0); ``foreground_accuracy`` is the share of seconds that are rightly inside or outside
    of all events. Both count every second of every query alike, absent ones too.
    """
    by_qid = {p.qid: p for p in predictions}
    outcomes = judge(annotations, predictions)
    return Report(
        overall=figures(outcomes),
        f1_interval=f1_interval(outcomes, seed),
        per_kind=_figures_by(outcomes, "{0.kind}"),
        per_modality=_figures_by(outcomes, "{0.modality}"),
        per_source=_figures_by(outcomes, "{0.source}"),
        per_modality_kind=_figures_by(outcomes, "{0.modality}/{0.kind}"),
        input=_input_info({a.qid for a in annotations}, by_qid),
    )


def judge(annotations: Sequence[Annotation], predictions: Sequence[Prediction]) -> list[Outcome]:
    """Hold each query's predictions against its true windows, in order of ``annotations``."""
    windows = {p.qid: p.windows for p in predictions}
    return [outcome(a, windows.get(a.qid, ())) for a in annotations]


def grouped(outcomes: Sequence[Outcome], label: str) -> dict[str, list[Outcome]]:
    """Return the outcomes by ``label``, a format of their annotation such as ``{0.kind}``; sorted."""
    groups: dict[str, list[Outcome]] = {}
    for o in outcomes:
        groups.setdefault(label.format(o.annotation), []).append(o)
    return dict(sorted(groups.items()))


def figures(outcomes: Sequence[Outcome]) -> Figures:
    """Return the figures of one group of queries."""
    present = [o for o in outcomes if o.annotation.windows]
    absent = [o for o in outcomes if not o.annotation.windows]
    hours = fsum(o.annotation.duration for o in outcomes) / 3600
    seconds = sum(o.foreground.seconds for o in outcomes)
    return Figures(
        queries=len(outcomes),
        truths=sum(len(o.annotation.windows) for o in outcomes),
        predicted=sum(len(o.windows) for o in outcomes),
        query_hours=hours,
        events={t: _event_figures(outcomes, t, hours) for t in EVENT_THRESHOLDS},
        stray_alerts_per_query_hour=_ratio(sum(o.strays for o in outcomes), hours),
        silent_absent_rate=_mean(not o.windows for o in absent),
        mean_ap=_mean(_mean_ap(present, t) for t in TIOU_THRESHOLDS) if present else None,
        pooled_ap=_mean(_pooled_ap(outcomes, t) for t in TIOU_THRESHOLDS) if present else None,
        r1=_mean(o.first_tiou >= 0.5 - TOLERANCE for o in present),
        hit1=_mean(o.first_inside for o in present),
        foreground_mse=_ratio(fsum(o.foreground.squared_error for o in outcomes), seconds),
        foreground_accuracy=_ratio(sum(o.foreground.right for o in outcomes), seconds),
    )


def f1_interval(outcomes: Sequence[Outcome], seed: int, resamples: int = RESAMPLES) -> tuple[float, float]:
    """Return the 95 % interval of F1 at tIoU 0.5 when whole videos are drawn again with replacement.

    Queries on one video succeed and fail together, so the video is the unit (bootstrap, Efron 1979).
    """
    counts: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
    for o in outcomes:
        row = np.array([len(o.matches[0.5]), len(o.windows), len(o.annotation.windows)])
        counts[o.annotation.vid] = counts.get(o.annotation.vid, np.zeros(3, np.int64)) + row
    if not counts:
        return 0.0, 0.0
    per_video = [counts[vid] for vid in sorted(counts)]
    draw = random.Random(seed).choice
    scores = []
    for _ in range(resamples):
        found, predicted, truths = np.sum([draw(per_video) for _ in per_video], axis=0)
        scores.append(_precision_recall_f1(int(found), int(predicted), int(truths))[2] or 0.0)
    scores.sort()
    return scores[int(0.025 * resamples)], scores[min(resamples - 1, int(0.975 * resamples))]


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
    """Without true windows only precision can be told: 0, once something was predicted."""
    if not truths:
        return (0.0 if predicted else None), None, None
    return _ratio(found, predicted) or 0.0, found / truths, 2 * found / (predicted + truths)


def _mean_ap(present: Sequence[Outcome], threshold: float) -> float:
    return fsum(average_precision(o.hits(threshold), len(o.annotation.windows)) for o in present) / len(present)


def _pooled_ap(outcomes: Sequence[Outcome], threshold: float) -> float:
    """Rank the predictions of all queries together; equal scores go by query, not by the order of input."""
    ranked: list[tuple[float, bool, Qid, int, bool]] = []
    for o in outcomes:
        qid = o.annotation.qid
        for place, (window, hit) in enumerate(zip(o.windows, o.hits(threshold), strict=True)):
            ranked.append((-window[2], isinstance(qid, str), qid, place, bool(hit)))
    ranked.sort()
    truths = sum(len(o.annotation.windows) for o in outcomes)
    return average_precision(np.array([entry[-1] for entry in ranked], np.bool_), truths)


def _figures_by(outcomes: Sequence[Outcome], label: str) -> dict[str, Figures]:
    return {key: figures(group) for key, group in grouped(outcomes, label).items()}


def _input_info(asked: set[Qid], by_qid: Mapping[Qid, Prediction]) -> InputInfo:
    known = [p for p in by_qid.values() if p.qid in asked]
    return InputInfo(
        unknown_qids=len(by_qid) - len(known),
        invalid_windows=sum(map(attrgetter("invalid"), known)),
        queries_without_line=len(asked) - len(known),
    )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return fsum(listed) / len(listed) if listed else None
