"""A report as a JSON document: names state the tIoU and the unit, values are rounded to significant places."""

from dataclasses import asdict
from typing import Any

from alignment.evaluation.intervals import EventIntervals, Interval
from alignment.evaluation.metrics import AbsentFigures, EventFigures, Figures, Report
from alignment.evaluation.qvhighlights import FULL, Benchmark
from alignment.evaluation.ranking import Ranking
from alignment.evaluation.reliability import Trust
from alignment.evaluation.start_detection import StartFigures

GROUPS = ("per_family", "per_kind", "per_modality", "per_source", "per_modality_kind")


def report_document(report: Report) -> dict[str, Any]:
    """Return the report for ``json.dump``: ``overall``, the groups, ``input``. Undefined metrics are null."""
    groups = {g: {k: figures_document(f) for k, f in getattr(report, g).items()} for g in GROUPS}
    return {"overall": figures_document(report.overall), **groups, "input": asdict(report.input)}


def figures_document(figures: Figures) -> dict[str, Any]:
    """Return one group's metrics: shares with 4 decimal places, alerts with 2, seconds with 3.

    ``ci95`` has the 95 % interval [low, high] of each metric, over videos; null where there are fewer than two videos.
    """
    ci95 = figures.ci95
    return {
        "n_queries": figures.queries,
        "n_gt": figures.truths,
        "n_pred": figures.predicted,
        "query_hours": _rounded(figures.query_hours, 4),
        **{f"tIoU@{t}": _events_document(e, ci95.events[t] if ci95 else None) for t, e in figures.events.items()},
        "absent": _absent_document(figures.absent, ci95.absent_false_alerts if ci95 else None),
        "mAP": _rounded(figures.mean_ap, 4),
        "pooled_mAP": _rounded(figures.pooled_ap, 4),
        "R1@0.5": _rounded(figures.r1, 4),
        "HIT@1": _rounded(figures.hit1, 4),
        "alignment_mse": _rounded(figures.foreground_mse, 4),
        "alignment_accuracy": _rounded(figures.foreground_accuracy, 4),
        "start_detection": _starts_document(figures.starts) if figures.starts else None,
    }


def trust_document(trust: Trust) -> dict[str, Any]:
    """Return the expected calibration error and its reliability table."""
    bins = [
        {"low": _rounded(b.low, 2), "high": _rounded(b.high, 2), "n": b.count}
        | {"confidence": _rounded(b.confidence, 4), "frequency": _rounded(b.frequency, 4)}
        for b in trust.table
    ]
    return {"n": trust.predictions, "ece": _rounded(trust.ece, 4), "bins": bins}


def ranking_document(ranking: Ranking) -> dict[str, Any]:
    """Return the metrics of one kind of search."""
    document: dict[str, Any] = {"n_queries": ranking.queries}
    for k, at in ranking.at.items():
        named = {"precision": at.precision, "recall": at.recall, "f1": at.f1}
        document |= {f"{name}@{k}": _rounded(value, 4) for name, value in named.items()}
        document[f"R{k}@0.5"] = _rounded(at.hit, 4)
    return document | {"mAP": _rounded(ranking.mean_ap, 4)}


def qvhighlights_document(found: Benchmark) -> dict[str, Any]:
    """Return the official figures in percent with two decimals, in the names and shape of the official JSON file."""
    document: dict[str, Any] = {}
    for name, m in found.moments.items():
        precisions = {str(t): _percent(x) for t, x in m.ap.items()} | {"average": _percent(m.mean_ap)}
        document[name] = {"MR-mAP": precisions, "MR-R1": {str(t): _percent(x) for t, x in m.r1.items()}}
    brief = {f"MR-{name}-mAP": figures["MR-mAP"]["average"] for name, figures in document.items()}
    full = document.get(FULL, {"MR-R1": {}, "MR-mAP": {}})
    brief |= {f"MR-{FULL}-R1@{t}": full["MR-R1"].get(t) for t in ("0.5", "0.7")}
    brief |= {f"MR-{FULL}-mAP@{t}": full["MR-mAP"].get(t) for t in ("0.5", "0.75")}
    for name, h in found.highlights.items():
        document[f"HL-min-{name}"] = figures = {"HL-mAP": _percent(h.mean_ap), "HL-Hit1": _percent(h.hit1)}
        brief |= {f"HL-min-{name}-{key.removeprefix('HL-')}": value for key, value in figures.items()}
    return {"brief": brief, **document}


def _percent(share: float) -> float:
    return round(100 * share, 2)


def _events_document(events: EventFigures, ci95: EventIntervals | None) -> dict[str, Any]:
    document = {
        "precision": _rounded(events.precision, 4),
        "recall": _rounded(events.recall, 4),
        "f1": _rounded(events.f1, 4),
        "tp": events.found,
        "false_alerts_per_query_hour": _rounded(events.false_alerts_per_query_hour, 2),
        "detection_delay_s": _rounded(events.start_delay_s, 3),
        "abs_start_error_s": _rounded(events.abs_start_error_s, 3),
        "abs_end_error_s": _rounded(events.abs_end_error_s, 3),
    }
    if ci95 is None:
        return document
    shares = {name: _bounds(getattr(ci95, name), 4) for name in ("precision", "recall", "f1")}
    return document | {"ci95": shares | {"false_alerts_per_query_hour": _bounds(ci95.false_alerts, 2)}}


def _absent_document(absent: AbsentFigures, ci95: Interval | None) -> dict[str, Any]:
    return {
        "n_queries": absent.queries,
        "n_pred": absent.predicted,
        "query_hours": _rounded(absent.query_hours, 4),
        "false_alerts_per_query_hour": _rounded(absent.false_alerts_per_query_hour, 2),
        "silent_rate": _rounded(absent.silent_rate, 4),
        "ci95": {"false_alerts_per_query_hour": _bounds(ci95, 2)},
    }


def _starts_document(starts: StartFigures) -> dict[str, Any]:
    recall = {f"SR@{k}(-{t[0]:g}s,+{t[1]:g}s)": round(share, 4) for (k, t), share in starts.recall.items()}
    distance = {f"SMD@{k}_s": round(s, 3) for k, s in starts.min_distance_s.items()}
    return {"n_starts": starts.starts, **recall, **distance}


def _bounds(interval: Interval | None, places: int) -> list[float] | None:
    return None if interval is None else [round(x, places) for x in interval]


def _rounded(value: float | None, places: int) -> float | None:
    return None if value is None else round(float(value), places)
