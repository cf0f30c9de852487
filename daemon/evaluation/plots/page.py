"""Writes all plots of an evaluation to one folder, with a page that shows them and the metrics."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from matplotlib.figure import Figure

from alignment.evaluation.curves import decision_curve
from alignment.evaluation.metrics import by_family, grouped
from daemon.evaluation.plots.curves import precision_recall, reliability_diagram, thresholds
from daemon.evaluation.plots.style import save
from daemon.evaluation.plots.timelines import timelines
from daemon.evaluation.run import Assessment
from daemon.offline.exports import ExportError, write_atomic

Table = Sequence[Sequence[str]]  # first row: headings

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Watchword evaluation</title><style>
body {font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1150px; padding: 0 1em; color: #222}
table {border-collapse: collapse; margin: 1em 0; font-size: 13px} img {max-width: 100%; margin: .5em 0 1.5em}
td, th {padding: .2em .7em; text-align: right; border-bottom: 1px solid #ddd} td:first-child, th:first-child {text-align: left}
</style></head><body><h1>Watchword evaluation</h1>
"""  # noqa: E501  # one CSS rule per line


def draw(folder: Path, tables: Mapping[str, Table], notes: Sequence[str], assessed: Assessment) -> tuple[Path, ...]:
    """Write the PNGs and ``index.html``, which shows them below ``tables``; raise ``ExportError``. Return the PNGs."""
    drawn = {folder / f"{_file_name(name)}.png": figure for name, figure in _figures(assessed).items()}
    try:
        for path, figure in drawn.items():
            save(figure, path)
    except OSError as e:
        raise ExportError(f"cannot write to {folder}: {e.strerror or e}", "choose another place for --plots") from e
    parts = [f"<h2>{escape(title)}</h2>{_html(table)}" for title, table in tables.items()]
    parts += [f"<p>{escape(note)}</p>" for note in notes]
    parts += [f'<img src="{escape(path.name)}" alt="{escape(path.stem)}">' for path in drawn]
    write_atomic(folder / "index.html", HEAD + "\n".join(parts) + "\n</body></html>\n")
    return tuple(drawn)


def _figures(assessed: Assessment) -> dict[str, Figure]:
    """Return the plots by name; curves only if there are true windows and events."""
    figures: dict[str, Figure] = {}
    overall = decision_curve(assessed.outcomes)
    if overall is not None:
        curves = {family: decision_curve(group) for family, group in by_family(assessed.outcomes).items()}
        families = {family: curve for family, curve in curves.items() if curve is not None}
        figures["precision_recall"] = precision_recall(overall, families)
        figures["thresholds"] = thresholds(overall, families)
    figures["reliability"] = reliability_diagram(assessed.events, assessed.seconds)
    for vid, group in grouped(assessed.outcomes, "{0.vid}").items():
        figures[f"timelines_{vid}"] = timelines(vid, group, assessed.tracks)
    return figures


def _html(table: Table) -> str:
    head, *rows = table
    cells = ["".join(f"<th>{escape(x)}</th>" for x in head)]
    cells += ["".join(f"<td>{escape(x)}</td>" for x in row) for row in rows]
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


def _file_name(name: str) -> str:
    """Return a name that is valid on every file system."""
    return re.sub(r"[^\w.-]+", "_", name)[:120]
