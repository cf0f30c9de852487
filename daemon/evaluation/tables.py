"""The tables and notes of an evaluation, as text, from its document."""

from collections.abc import Mapping, Sequence
from typing import Any

from alignment.evaluation.qvhighlights import FULL, LENGTHS, RATINGS
from alignment.evaluation.ranking import DEPTHS
from alignment.evaluation.start_detection import FIRST, TOLERANCES

Columns = Sequence[tuple[str, tuple[str, ...]]]  # heading, and where its figure is

TABLE_WIDTH = 150  # characters that all columns need
PARTS = ((1, 6), (6, 9), (9, 15))  # of the columns, one table each where a terminal is narrower
COLUMNS: Columns = (
    ("queries", ("n_queries",)),
    ("windows", ("n_gt",)),
    ("P@.3", ("tIoU@0.3", "precision")),
    ("R@.3", ("tIoU@0.3", "recall")),
    ("F1@.3", ("tIoU@0.3", "f1")),
    ("95 %", ("tIoU@0.3", "ci95", "f1")),
    ("false/h", ("tIoU@0.3", "false_alerts_per_query_hour")),
    ("95 %", ("tIoU@0.3", "ci95", "false_alerts_per_query_hour")),
    ("absent/h", ("absent", "false_alerts_per_query_hour")),
    ("95 %", ("absent", "ci95", "false_alerts_per_query_hour")),
    ("silent", ("absent", "silent_rate")),
    ("F1@.5", ("tIoU@0.5", "f1")),
    ("delay s", ("tIoU@0.3", "detection_delay_s")),
)
NOTES = (
    "false/h: false alerts per query and hour, events with tIoU below 0.3 with every free true window; absent/h: on "
    "queries that are never true (silent: share of those without an event)",
    "95 %: interval over videos, none for fewer than two; a family has its absent queries too",
)
START_NOTE = (
    "SR@k: share of starts with one of the first k alerts so many seconds before or after them; SMD@k: seconds to the "
    "nearest of these alerts (Eyzaguirre et al. 2024)"
)
SHOWN_FIRST = (FIRST[0], FIRST[-1])
STARTS: Columns = (
    ("starts", ("n_starts",)),
    *((f"SR@{k} -{a:g}/+{b:g} s", (f"SR@{k}(-{a:g}s,+{b:g}s)",)) for a, b in TOLERANCES for k in SHOWN_FIRST),
    *((f"SMD@{k} s", (f"SMD@{k}_s",)) for k in SHOWN_FIRST),
)
AT_DEPTH = {"P": "precision@{}", "R": "recall@{}", "F1": "f1@{}", "hit": "R{}@0.5"}
RETRIEVAL: Columns = (
    ("queries", ("n_queries",)),
    *((f"{short}@{k}", (name.format(k),)) for k in DEPTHS for short, name in AT_DEPTH.items()),
    ("mAP", ("mAP",)),
)
OFFICIAL = (("MR-R1", "0.5"), ("MR-R1", "0.7"), ("MR-mAP", "0.5"), ("MR-mAP", "0.75"), ("MR-mAP", "average"))
LENGTHS_SHOWN = (FULL, *LENGTHS)
TRUSTED = {"events": "event scores, true at tIoU 0.5", "seconds": "probabilities, a second each, true in a window"}


def tables(document: Mapping[str, Any]) -> dict[str, list[list[str]]]:
    """Return the tables by title; the first row of each has the headings."""
    families = {"overall": document["overall"], **document["per_family"]}
    shown = {
        "Decided events by family": _rows("family", families, COLUMNS),
        "Decided events by kind": _rows("kind", document["per_kind"], COLUMNS),
    }
    starts = {name: figures["start_detection"] for name, figures in families.items() if figures["start_detection"]}
    if starts:
        shown["Detection of starts by family"] = _rows("family", starts, STARTS)
    if document["retrieval"]:
        shown["Search"] = _rows("search", document["retrieval"], RETRIEVAL)
    if document["qvhighlights"]:
        shown |= _official(document["qvhighlights"])
    return shown


def notes(document: Mapping[str, Any]) -> list[str]:
    """Return the sentences below the tables."""
    lines = [*NOTES, *([START_NOTE] if document["overall"]["start_detection"] else [])]
    for unit, truth in TRUSTED.items():
        trust = document["calibration"][unit]
        if trust and trust["n"]:
            lines.append(f"expected calibration error of {trust['n']} {truth}: {trust['ece']:.3f}")
    return lines


def _rows(name: str, groups: Mapping[str, Any], columns: Columns) -> list[list[str]]:
    rows = [[label, *(_cell(figures, keys) for _, keys in columns)] for label, figures in groups.items()]
    return [[name, *(heading for heading, _ in columns)], *rows]


def _official(figures: Mapping[str, Any]) -> dict[str, list[list[str]]]:
    """Return the official figures of QVHighlights, in percent."""
    moments = [["windows", *(f"{name.removeprefix('MR-')}@{t}" for name, t in OFFICIAL)]]
    moments += [[r, *(f"{figures[r][name][t]:.2f}" for name, t in OFFICIAL)] for r in LENGTHS_SHOWN if r in figures]
    highlights = [["highlight at least", "mAP", "Hit1"]]
    rated = {rating: figures.get(f"HL-min-{rating}") for rating in RATINGS}
    highlights += [[rating, f"{f['HL-mAP']:.2f}", f"{f['HL-Hit1']:.2f}"] for rating, f in rated.items() if f]
    shown = {"QVHighlights, official: moments": moments, "QVHighlights, official: highlights": highlights}
    return {title: table for title, table in shown.items() if len(table) > 1}


def _cell(figures: Mapping[str, Any], keys: Sequence[str]) -> str:
    value: Any = figures
    for key in keys:
        value = value[key]
    if value is None:
        return "–"
    if isinstance(value, list):
        return "–".join(f"{bound:.2f}" for bound in value)
    return str(value) if isinstance(value, int) else f"{value:.3f}"
