"""A report as a JSON document: names that say the tIoU and the unit, values rounded to what they can bear."""

from dataclasses import asdict
from typing import Any

from alignment.evaluation import EventFigures, Figures, Report
from alignment.ranking import Ranking
from alignment.trust import Trust

GROUPS = ("per_kind", "per_modality", "per_source", "per_modality_kind")


def report_document(report: Report) -> dict[str, Any]:
    """Return the report for ``json.dump``: ``overall``, the groups, ``input``. Undefined figures are null."""
    overall = figures_document(report.overall)
    overall["f1@0.5_ci95_over_streams"] = [_rounded(x, 4) for x in report.f1_interval]
    groups = {g: {k: figures_document(f) for k, f in getattr(report, g).items()} for g in GROUPS}
    return {"overall": overall, **groups, "input": asdict(report.input)}


def figures_document(figures: Figures) -> dict[str, Any]:
    """Return one group's figures: shares with 4 places, alerts with 2, seconds with 3."""
    return {
        "n_queries": figures.queries,
        "n_gt": figures.truths,
        "n_pred": figures.predicted,
        "query_hours": _rounded(figures.query_hours, 4),
        **{f"tIoU@{t}": _events_document(e) for t, e in figures.events.items()},
        "stray_alerts_per_query_hour": _rounded(figures.stray_alerts_per_query_hour, 2),
        "silent_absent_rate": _rounded(figures.silent_absent_rate, 4),
        "mAP": _rounded(figures.mean_ap, 4),
        "pooled_mAP": _rounded(figures.pooled_ap, 4),
        "R1@0.5": _rounded(figures.r1, 4),
        "HIT@1": _rounded(figures.hit1, 4),
        "alignment_mse": _rounded(figures.foreground_mse, 4),
        "alignment_accuracy": _rounded(figures.foreground_accuracy, 4),
    }


def trust_document(trust: Trust) -> dict[str, Any]:
    """Return how far probabilities can be trusted: the calibration error and the table it comes from."""
    bins = [
        {"low": _rounded(b.low, 2), "high": _rounded(b.high, 2), "n": b.count}
        | {"confidence": _rounded(b.confidence, 4), "frequency": _rounded(b.frequency, 4)}
        for b in trust.table
    ]
    return {"n": trust.predictions, "ece": _rounded(trust.ece, 4), "bins": bins}


def ranking_document(ranking: Ranking) -> dict[str, Any]:
    """Return the figures of one kind of search."""
    document: dict[str, Any] = {"n_queries": ranking.queries}
    for k, at in ranking.at.items():
        named = {"precision": at.precision, "recall": at.recall, "f1": at.f1}
        document |= {f"{name}@{k}": _rounded(value, 4) for name, value in named.items()}
        document[f"R{k}@0.5"] = _rounded(at.hit, 4)
    return document | {"mAP": _rounded(ranking.mean_ap, 4)}


def _events_document(events: EventFigures) -> dict[str, Any]:
    return {
        "precision": _rounded(events.precision, 4),
        "recall": _rounded(events.recall, 4),
        "f1": _rounded(events.f1, 4),
        "tp": events.found,
        "false_alerts_per_query_hour": _rounded(events.false_alerts_per_query_hour, 2),
        "detection_delay_s": _rounded(events.start_delay_s, 3),
        "abs_start_error_s": _rounded(events.abs_start_error_s, 3),
        "abs_end_error_s": _rounded(events.abs_end_error_s, 3),
    }


def _rounded(value: float | None, places: int) -> float | None:
    return None if value is None else round(float(value), places)
