"""Which predicted window found which true one, and how good a ranked list of them is.

Temporal IoU (tIoU) is the length two windows share over the length they cover together, 0 where they only
touch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignment.annotations import ScoredWindow, Window
from alignment.types import F64, Bools

# Decimal times make 0.5 come out as 0.49999999999999994: a window that reaches the threshold on paper counts.
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Match:
    """A prediction (its place in the list) and the true window it found."""

    predicted: int
    true: int


def overlaps(windows: Sequence[ScoredWindow], truths: Sequence[Window]) -> F64:
    """Return the tIoU f64[P, G] of every prediction with every true window."""
    p = np.array([w[:2] for w in windows], np.float64).reshape(-1, 1, 2)
    g = np.array(truths, np.float64).reshape(1, -1, 2)
    shared = np.minimum(p[..., 1], g[..., 1]) - np.maximum(p[..., 0], g[..., 0])
    covered = np.maximum(p[..., 1], g[..., 1]) - np.minimum(p[..., 0], g[..., 0])
    return np.where(shared > 0, shared / covered, 0.0)


def match(overlap: F64, threshold: float) -> tuple[Match, ...]:
    """Return the pairs: each prediction in turn (row; best score first) takes its best free truth (column).

    Only a tIoU of ``threshold`` or more makes a pair; of equal ones the earlier column is taken.
    """
    left = overlap.copy()
    pairs = []
    for row in range(left.shape[0] if left.size else 0):
        column = int(np.argmax(left[row]))
        if left[row, column] >= threshold - TOLERANCE:
            pairs.append(Match(row, column))
            left[:, column] = 0.0
    return tuple(pairs)


def average_precision(hits: Bools, n_truths: int) -> float:
    """Return the area under the interpolated precision-recall curve of a ranked list.

    ``hits`` bool[N], best first, says which entries found a true window; ``n_truths`` (above 0) windows are
    to be found. Precision is interpolated as by Everingham et al., PASCAL VOC (2010): the best at this recall
    or a higher.
    """
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(best_from_here[hits]) / n_truths)
