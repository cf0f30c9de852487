"""Timelines: one image per video, one row per query, with true windows, events and score."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from alignment.evaluation.annotations import Qid
from alignment.evaluation.per_query import ALERT_TIOU, Outcome
from alignment.evaluation.reliability import Tracked
from daemon.evaluation.plots.style import RIGHT, SCORE, TRUE, WRONG, new_figure

QUERIES = 14  # rows per image
LINE_CHARACTERS = 44
LEGEND = (
    Patch(color=TRUE, label="true window"),
    Patch(color=RIGHT, label=f"event, correct at tIoU {ALERT_TIOU}"),
    Patch(color=WRONG, label="false alert"),
    Patch(color=SCORE, alpha=0.5, label="probability"),
)


def timelines(vid: str, outcomes: Sequence[Outcome], tracks: Mapping[Qid, Tracked]) -> Figure:
    """Draw at most ``QUERIES`` queries of one video: queries with events or windows come first."""
    chosen = sorted(range(len(outcomes)), key=lambda i: (-_interest(outcomes[i]), i))[:QUERIES]
    rows = [outcomes[i] for i in sorted(chosen)]
    figure = new_figure(12, 1.1 + 0.62 * len(rows))
    all_axes = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
    for axes, o in zip(all_axes, rows, strict=True):
        _row(axes, o, tracks.get(o.annotation.qid))
    all_axes[-1].set_xlabel("seconds")
    left_out = len(outcomes) - len(rows)
    title = vid + (f"  ({left_out} of {len(outcomes)} queries left out)" if left_out else "")
    all_axes[0].set_title(title, fontsize=11, loc="left")
    figure.legend(handles=LEGEND, loc="outside lower right", ncols=len(LEGEND), fontsize=8, frameon=False)
    return figure


def _interest(o: Outcome) -> int:
    """Return 2 for a query with a mistake, 1 for one with something right, 0 for an absent query without events."""
    mistakes = len(o.windows) + len(o.annotation.windows) - 2 * len(o.matches[ALERT_TIOU])
    return 2 if mistakes else int(bool(o.windows))


def _row(axes: Axes, o: Outcome, track: Tracked | None) -> None:
    a = o.annotation
    for start, end in a.windows:
        axes.axvspan(start, end, color=TRUE, linewidth=0, zorder=0)
    if track is not None and len(track.p):
        t, p = np.ravel(track.bounds), np.repeat(track.p, 2)
        axes.fill_between(t, 0, p, color=SCORE, alpha=0.35, linewidth=0)
        axes.plot(t, p, color=SCORE, linewidth=0.8)
    for window, right in zip(o.windows, o.hits(ALERT_TIOU), strict=True):
        colour = RIGHT if right else WRONG
        axes.hlines(1.14, window[0], window[1], color=colour, linewidth=5)
        axes.text(window[1] + 0.003 * a.duration, 1.14, f"{window[2]:.2f}", color=colour, fontsize=7, va="center")
    axes.set(xlim=(0, a.duration), ylim=(0, 1.32), yticks=[0, 0.5, 1])
    axes.tick_params(axis="y", labelsize=6)
    axes.grid(axis="x", color="#EEEEEE")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    text = "\n".join(textwrap.wrap(a.query, LINE_CHARACTERS, max_lines=2, placeholder=" …"))
    axes.set_ylabel(f"{text}\n[{a.kind}]", rotation=0, ha="right", va="center", fontsize=7.5, labelpad=6)
