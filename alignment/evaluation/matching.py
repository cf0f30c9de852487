"""Matching of predicted windows with true ones, and average precision of a ranked list of predictions.

Temporal IoU (tIoU) is the length of the intersection of two windows divided by the length of their union; it is 0 if
they only touch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignment.evaluation.annotations import ScoredWindow, Window
from alignment.types import F64, Bools

# Decimal times can give 0.49999999999999994 for an exact 0.5, which must count as reaching the threshold.
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Match:
    """A prediction (its index in the list) and the true window that it matches."""

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
    """Return the pairs of a greedy match: each prediction (row; best score first) takes its best free truth (column).

    A pair needs a tIoU of at least ``threshold``; among equal ones the first column is taken.
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

    ``hits`` bool[N], best first, marks entries that match a true window; ``n_truths`` (above 0) is the number of true
    windows. Precision is interpolated as by Everingham et al., PASCAL VOC (2010): the maximum at this recall or a
    higher one.
    """
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(best_from_here[hits]) / n_truths)
