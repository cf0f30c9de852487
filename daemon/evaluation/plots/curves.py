"""Curves over the threshold of decided events, and reliability diagrams."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from alignment.evaluation.curves import DecisionCurve
from alignment.evaluation.per_query import ALERT_TIOU
from alignment.evaluation.reliability import BINS, Trust
from alignment.types import F64
from daemon.evaluation.plots.style import COLOURS, RIGHT, SCORE, WRONG, new_figure

ISO_F1 = (0.2, 0.4, 0.6, 0.8)
SHOWN = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)  # thresholds


def precision_recall(overall: DecisionCurve, groups: Mapping[str, DecisionCurve]) -> Figure:
    """Draw precision against recall; the dot at the end of a curve is the decision's threshold."""
    figure = new_figure(7.2, 5.6)
    axes = figure.add_subplot(xlim=(0, 1.03), ylim=(0, 1.03), xlabel="recall", ylabel="precision")
    for f1 in ISO_F1:
        recall = np.linspace(f1 / (2 - f1), 1, 400)
        axes.plot(recall, f1 * recall / (2 * recall - f1), color="#DDDDDD", linewidth=0.8, zorder=1)
        axes.annotate(f"F1 {f1}", (1.0, f1 / (2 - f1)), color="#999999", fontsize=7, ha="right", va="bottom")
    for (name, curve), colour in zip(groups.items(), _colours(len(groups)), strict=True):
        _with_dot(axes, curve.recall, curve.precision, f"{name} (F1 {curve.f1[-1]:.2f})", colour, 1.4)
    _with_dot(axes, overall.recall, overall.precision, f"all queries (F1 {overall.f1[-1]:.2f})", "black", 2.4)
    axes.set_title(f"Precision and recall of decided events, tIoU {ALERT_TIOU}", fontsize=11)
    axes.legend(loc="lower left", fontsize=8, frameon=False)
    return figure


def thresholds(overall: DecisionCurve, groups: Mapping[str, DecisionCurve]) -> Figure:
    """Draw F1 over higher thresholds of the event score, and false alerts against recall."""
    figure = new_figure(11.5, 4.6)
    left, right = figure.subplots(1, 2)
    _over_threshold(left, overall)
    for (name, curve), colour in zip(groups.items(), _colours(len(groups)), strict=True):
        _with_dot(right, curve.recall, curve.false_alerts_per_hour, name, colour, 1.2)
    _with_dot(right, overall.recall, overall.false_alerts_per_hour, "all queries", "black", 2.4)
    right.set(xlabel="recall", ylabel="false alerts per query and hour", xlim=(0, 1.03))
    right.set_ylim(bottom=0)
    right.set_title(f"False alerts (tIoU below {ALERT_TIOU}) and recall", fontsize=11)
    right.legend(fontsize=8, frameon=False, loc="upper left")
    for axes in (left, right):
        axes.grid(color="#EEEEEE")
    return figure


def reliability_diagram(events: Trust, seconds: Trust | None) -> Figure:
    """Draw the frequency of true predictions over their probability; perfect calibration is the diagonal."""
    drawn = [("event scores: true at tIoU 0.5", events, "events")]
    drawn += [("clip probabilities: within a true window", seconds, "seconds")] if seconds else []
    figure = new_figure(5.6 * len(drawn), 5.6)
    grid = figure.subplots(2, len(drawn), squeeze=False, height_ratios=[3, 1], sharex=True)
    handles = [
        Patch(color=SCORE, label="share that was true"),
        Line2D([], [], color=RIGHT, marker="o", label="mean probability, too low"),
        Line2D([], [], color=WRONG, marker="o", label="mean probability, too high"),
    ]
    figure.legend(handles=handles, loc="outside lower right", ncols=3, fontsize=8, frameon=False)
    for column, (title, trust, unit) in enumerate(drawn):
        _reliability(grid[0, column], trust, title)
        _counts(grid[1, column], trust, unit)
    return figure


def _over_threshold(axes: Axes, curve: DecisionCurve) -> None:
    x, best = np.clip(curve.threshold, SHOWN[0], SHOWN[-1]), int(np.argmax(curve.f1))
    for name, y, colour, width in (
        ("precision", curve.precision, COLOURS[1], 1.5),
        ("recall", curve.recall, COLOURS[2], 1.5),
        (f"F1, best {curve.f1[best]:.3f} at {curve.threshold[best]:.2f}", curve.f1, "black", 2.2),
    ):
        axes.plot(x, y, label=name, color=colour, linewidth=width)
    axes.plot(x[best], curve.f1[best], "o", color="black", markersize=6)
    axes.set_xscale("logit")  # most scores are near 1
    axes.set_xticks(SHOWN, [f"{s:g}" for s in SHOWN], rotation=45)
    axes.set_xticks([], minor=True)
    axes.set(xlabel="threshold on the event's score", ylabel="share", ylim=(0, 1.08), xlim=(0.96 * x[-1], SHOWN[-1]))
    axes.set_title(f"All queries, tIoU {ALERT_TIOU}", fontsize=11)
    axes.legend(fontsize=8, frameon=False, loc="lower left")


def _reliability(axes: Axes, trust: Trust, title: str) -> None:
    axes.plot([0, 1], [0, 1], color="#999999", linestyle="--", linewidth=1)
    for b in trust.table:
        middle, colour = (b.low + b.high) / 2, RIGHT if b.frequency >= b.confidence else WRONG
        axes.bar(middle, b.frequency, 0.92 / BINS, color=SCORE, alpha=0.8)
        axes.plot([b.confidence] * 2, [b.frequency, b.confidence], color=colour, linewidth=2.5)
        axes.plot(b.confidence, b.confidence, "o", color=colour, markersize=4)
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that was true")
    ece = "none" if trust.ece is None else f"{trust.ece:.3f}"
    axes.set_title(f"{title}\nexpected calibration error {ece}", fontsize=10)


def _counts(axes: Axes, trust: Trust, unit: str) -> None:
    for b in trust.table:
        axes.bar((b.low + b.high) / 2, b.count, 0.92 / BINS, color="#BBBBBB")
    axes.set(xlabel="probability", ylabel=unit, yscale="log" if trust.predictions else "linear")
    axes.set_ylim(bottom=0.7 if trust.predictions else 0)


def _with_dot(axes: Axes, x: F64, y: F64, label: str, colour: str, width: float) -> None:
    axes.plot(x, y, color=colour, linewidth=width, label=label, alpha=0.9)
    axes.plot(x[-1], y[-1], "o", color=colour, markersize=4 + width)


def _colours(n: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(n)]
