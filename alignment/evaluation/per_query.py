"""The outcome of one query: its predictions compared with its true windows, before averaging."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignment.evaluation.annotations import Annotation, ScoredWindow, Window
from alignment.evaluation.matching import Match, match, overlaps
from alignment.types import F64, Bools

TIOU_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
ALERT_TIOU = 0.3  # a false alert has less than this with every true window that no better event has taken


@dataclass(frozen=True, slots=True)
class Foreground:
    """Errors of the predicted foreground of one query, over the seconds of its video."""

    seconds: int
    squared_error: float  # summed over the seconds
    right: int  # seconds that are correctly inside or outside of all decided events


@dataclass(frozen=True, slots=True)
class Outcome:
    """One query. ``windows`` are sorted by falling score; ``matches`` has the pairs at each of ``TIOU_THRESHOLDS``."""

    annotation: Annotation
    windows: tuple[ScoredWindow, ...]
    matches: dict[float, tuple[Match, ...]]
    first_tiou: float  # highest tIoU of the first listed prediction with any true window
    first_inside: bool  # the middle of the first listed prediction is true
    foreground: Foreground
    alerts: tuple[float, ...] | None  # stream seconds in which events were first reported; None: not known

    @property
    def false_alerts(self) -> int:
        """Return the number of events whose tIoU with every free true window is below ``ALERT_TIOU``."""
        return len(self.windows) - len(self.matches[ALERT_TIOU])

    def hits(self, threshold: float) -> Bools:
        """Return bool[P]: which predictions match a true window at this tIoU."""
        found = np.zeros(len(self.windows), np.bool_)
        found[[m.predicted for m in self.matches[threshold]]] = True
        return found


def outcome(
    annotation: Annotation, windows: Sequence[ScoredWindow], alerts: tuple[float, ...] | None = None
) -> Outcome:
    """Compare one query's predictions with its true windows; the order of the list matters for the first one only."""
    ranked = tuple(sorted(windows, key=lambda w: (-w[2], w[0], w[1])))
    overlap = overlaps(ranked, annotation.windows)
    middle = [(w[0] + w[1]) / 2 for w in windows[:1]]
    return Outcome(
        annotation=annotation,
        windows=ranked,
        matches={t: match(overlap, t) for t in TIOU_THRESHOLDS},
        first_tiou=float(overlaps(windows[:1], annotation.windows).max(initial=0.0)),
        first_inside=any(start <= m <= end for m in middle for start, end in annotation.windows),
        foreground=_foreground(annotation, ranked),
        alerts=alerts if windows else (),
    )


def _foreground(annotation: Annotation, windows: Sequence[ScoredWindow]) -> Foreground:
    """Sample both foregrounds in the middle of each second; where events overlap, the higher score counts."""
    seconds = max(1, int(annotation.duration))
    t: F64 = (np.arange(seconds, dtype=np.float64) + 0.5) * (annotation.duration / seconds)
    true = _covered(t, annotation.windows).any(axis=1)
    inside = _covered(t, [w[:2] for w in windows])
    belief = np.clip([w[2] for w in windows], 0.0, 1.0)
    predicted = np.max(inside * belief, axis=1, initial=0.0)
    error = float(np.sum((predicted - true) ** 2))
    return Foreground(seconds, error, int(np.sum(inside.any(axis=1) == true)))


def _covered(t: F64, windows: Sequence[Window]) -> Bools:
    """Return bool[T, N]: whether each time of ``t`` lies in each window."""
    bounds = np.array(windows, np.float64).reshape(-1, 2)
    return (t[:, None] >= bounds[:, 0]) & (t[:, None] <= bounds[:, 1])
