"""How far probabilities can be trusted: calibration error, the reliability table, and curves fitted on past data."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from alignment.calibration import Platt
from alignment.errors import FeatureError
from alignment.types import F64

Bins = Literal["width", "mass"]
STEPS = 100
CLOSE = 1e-10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The predictions from ``low`` to ``high``: how many, their mean probability, the share that came true."""

    low: float
    high: float
    count: int
    confidence: float
    frequency: float


def reliability(p: ArrayLike, outcome: ArrayLike, bins: int = 15, by: Bins = "width") -> tuple[ReliabilityBin, ...]:
    """Return the reliability table of predictions p [N] in 0..1 and outcomes [N] of 0 or 1; empty bins are left out.

    ``width``: bins of equal width; ``mass``: of equal numbers of predictions (adaptive; Nguyen & O'Connor 2015).
    Raise ``FeatureError`` where the two do not fit together or are no probabilities.
    """
    ps, outcomes = _checked(p, outcome)
    if by == "mass":
        order = np.argsort(ps, kind="stable")
        groups = [g for g in np.array_split(order, bins) if len(g)]
        return tuple(_bin(float(ps[g[0]]), float(ps[g[-1]]), ps[g], outcomes[g]) for g in groups)
    place = np.minimum((ps * bins).astype(np.int64), bins - 1)
    inside = [(k, place == k) for k in range(bins) if (place == k).any()]
    return tuple(_bin(k / bins, (k + 1) / bins, ps[m], outcomes[m]) for k, m in inside)


def expected_calibration_error(p: ArrayLike, outcome: ArrayLike, bins: int = 15, by: Bins = "width") -> float:
    """Return ECE = Σ (n_b / N) · |confidence_b − frequency_b| (Naeini et al. 2015), 0 for no predictions."""
    table = reliability(p, outcome, bins, by)
    total = sum(b.count for b in table)
    return sum(b.count * abs(b.confidence - b.frequency) for b in table) / total if total else 0.0


def fit_platt(scores: ArrayLike, labels: ArrayLike) -> Platt:
    """Fit p = σ(scale · (x − midpoint)) to scores [N] and labels [N] of 0 or 1 by maximum likelihood.

    Targets are smoothed as Platt (1999) has it, (N₊+1)/(N₊+2) and 1/(N₋+2), so that separable data has a finite
    fit; Newton's method with backtracking as in Lin, Lin & Weng (2007). Raise ``FeatureError`` where one label
    is missing or scores do not rise with the label: no curve of ours falls.
    """
    x, y = _pairs(scores, labels)
    positive, negative = float(y.sum()), float(len(y) - y.sum())
    if not positive or not negative:
        raise FeatureError("a calibration needs examples with both labels", "add examples of the missing one")
    target = np.where(y > 0, (positive + 1) / (positive + 2), 1 / (negative + 2))
    centre, spread = float(x.mean()), float(x.std()) or 1.0
    a, b = _newton((x - centre) / spread, target, float(np.log((positive + 1) / (negative + 1))))
    if a <= 0:
        raise FeatureError("scores do not rise with the label", "check that labels are 1 where the event happened")
    return Platt(a / spread, centre - b * spread / a)


def _newton(x: F64, target: F64, b: float) -> tuple[float, float]:
    """Minimise the cross-entropy of σ(a·x + b) against soft targets, from a = 0."""
    at = np.array([0.0, b])
    rows = np.stack([x, np.ones_like(x)])
    loss = _cross_entropy(at @ rows, target)
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-(at @ rows)))
        gradient = rows @ (p - target)
        if np.abs(gradient).max() < CLOSE * len(x):
            break
        step = np.linalg.solve((rows * (p * (1 - p))) @ rows.T + 1e-12 * np.eye(2), gradient)
        size = 1.0
        while (new := _cross_entropy((at - size * step) @ rows, target)) > loss - 1e-4 * size * gradient @ step:
            size /= 2
            if size < CLOSE:
                return float(at[0]), float(at[1])
        at, loss = at - size * step, new
    return float(at[0]), float(at[1])


def _cross_entropy(z: F64, target: F64) -> float:
    return float((np.logaddexp(0.0, z) - target * z).sum())


def _bin(low: float, high: float, p: F64, outcome: F64) -> ReliabilityBin:
    return ReliabilityBin(low, high, len(p), float(p.mean()), float(outcome.mean()))


def _checked(p: ArrayLike, outcome: ArrayLike) -> tuple[F64, F64]:
    ps, outcomes = _pairs(p, outcome)
    if ((ps < 0) | (ps > 1)).any():
        raise FeatureError("probabilities lie between 0 and 1", "calibrate scores first")
    return ps, outcomes


def _pairs(x: ArrayLike, y: ArrayLike) -> tuple[F64, F64]:
    """Return two arrays f64[N]; raise ``FeatureError``."""
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if xs.ndim != 1 or xs.shape != ys.shape:
        raise FeatureError(f"{xs.shape} scores for {ys.shape} labels", "give one label a score")
    if not np.isfinite(xs).all() or not np.isin(ys, (0.0, 1.0)).all():
        raise FeatureError("scores must be finite, labels 0 or 1", "leave out what is unknown")
    return xs, ys
