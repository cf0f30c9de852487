"""What became of one query: its predictions held against its true windows, before anything is averaged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignment.annotations import Annotation, ScoredWindow, Window
from alignment.matching import Match, match, overlaps
from alignment.types import F64, Bools

TIOU_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True, slots=True)
class Foreground:
    """The predicted foreground of one query against the true one, over the seconds of its video."""

    seconds: int
    squared_error: float  # summed over the seconds
    right: int  # seconds that are rightly inside, or rightly outside, every decided event


@dataclass(frozen=True, slots=True)
class Outcome:
    """One query. ``windows`` fall in score; ``matches`` has the pairs at each of ``TIOU_THRESHOLDS``."""

    annotation: Annotation
    windows: tuple[ScoredWindow, ...]
    matches: dict[float, tuple[Match, ...]]
    strays: int  # predictions that touch no true window at all
    first_tiou: float  # of the best-scored prediction with whichever true window suits it best
    first_inside: bool  # the middle of the best-scored prediction is true
    foreground: Foreground

    def hits(self, threshold: float) -> Bools:
        """Return bool[P]: which predictions found a true window at this tIoU."""
        found = np.zeros(len(self.windows), np.bool_)
        found[[m.predicted for m in self.matches[threshold]]] = True
        return found


def outcome(annotation: Annotation, windows: Sequence[ScoredWindow]) -> Outcome:
    """Hold one query's predictions, in any order, against its true windows."""
    ranked = tuple(sorted(windows, key=lambda w: (-w[2], w[0], w[1])))
    overlap = overlaps(ranked, annotation.windows)
    best = overlap.max(axis=1) if annotation.windows else np.zeros(len(ranked))
    middle = [(w[0] + w[1]) / 2 for w in ranked[:1]]
    return Outcome(
        annotation=annotation,
        windows=ranked,
        matches={t: match(overlap, t) for t in TIOU_THRESHOLDS},
        strays=int(np.sum(best == 0)),
        first_tiou=float(best[0]) if ranked else 0.0,
        first_inside=any(start <= m <= end for m in middle for start, end in annotation.windows),
        foreground=_foreground(annotation, ranked),
    )


def _foreground(annotation: Annotation, windows: Sequence[ScoredWindow]) -> Foreground:
    """Sample both foregrounds mid-second; where events overlap the surer one is believed."""
    seconds = max(1, int(annotation.duration))
    t: F64 = (np.arange(seconds, dtype=np.float64) + 0.5) * (annotation.duration / seconds)
    true = _covered(t, annotation.windows).any(axis=1)
    inside = _covered(t, [w[:2] for w in windows])
    belief = np.clip([w[2] for w in windows], 0.0, 1.0)
    predicted = np.max(inside * belief, axis=1, initial=0.0)
    error = float(np.sum((predicted - true) ** 2))
    return Foreground(seconds, error, int(np.sum(inside.any(axis=1) == true)))


def _covered(t: F64, windows: Sequence[Window]) -> Bools:
    """Return bool[T, N]: which of ``t`` lie in which window."""
    bounds = np.array(windows, np.float64).reshape(-1, 2)
    return (t[:, None] >= bounds[:, 0]) & (t[:, None] <= bounds[:, 1])
