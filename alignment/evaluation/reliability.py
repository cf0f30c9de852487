"""Calibration of probabilities: calibration error, reliability table, and fitted curves."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from alignment.calibration import Platt
from alignment.errors import FeatureError
from alignment.evaluation.annotations import Window
from alignment.evaluation.per_query import Outcome
from alignment.types import F32, F64, Bools

STEPS = 100
CLOSE = 1e-10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The predictions with p from ``low`` to ``high``: count, mean probability, and the share that were true."""

    low: float
    high: float
    count: int
    confidence: float
    frequency: float


def reliability(p: ArrayLike, outcome: ArrayLike, bins: int = 15) -> tuple[ReliabilityBin, ...]:
    """Return the reliability table of predictions p [N] in 0..1 and outcomes [N] of 0 or 1.

    Bins have equal width; empty ones are left out. Raise ``FeatureError`` if the lengths differ or
    a value is not a probability.
    """
    ps, outcomes = _checked(p, outcome)
    place = np.minimum((ps * bins).astype(np.int64), bins - 1)
    inside = [(k, place == k) for k in range(bins) if (place == k).any()]
    return tuple(_bin(k / bins, (k + 1) / bins, ps[m], outcomes[m]) for k, m in inside)


def expected_calibration_error(p: ArrayLike, outcome: ArrayLike, bins: int = 15) -> float:
    """Return ECE = Σ (n_b / N) · |confidence_b − frequency_b| (Naeini et al. 2015), 0 for no predictions."""
    table = reliability(p, outcome, bins)
    total = sum(b.count for b in table)
    return sum(b.count * abs(b.confidence - b.frequency) for b in table) / total if total else 0.0


def fit_platt(scores: ArrayLike, labels: ArrayLike) -> Platt:
    """Fit p = σ(scale · (x − midpoint)) to scores [N] and labels [N] of 0 or 1 by maximum likelihood.

    Targets are smoothed as by Platt (1999), (N₊+1)/(N₊+2) and 1/(N₋+2), so that separable data has a finite
    fit; Newton's method with backtracking as in Lin, Lin & Weng (2007). Raise ``FeatureError`` if one label
    is missing, or if scores do not rise with the label: falling curves are not supported.
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
        raise FeatureError(f"{xs.shape} scores for {ys.shape} labels", "give one label per score")
    if not np.isfinite(xs).all() or not np.isin(ys, (0.0, 1.0)).all():
        raise FeatureError("scores must be finite, labels 0 or 1", "leave out unknown ones")
    return xs, ys


TIOU = 0.5
BINS = 10


@dataclass(frozen=True, slots=True)
class Trust:
    """Predictions by probability, in ``BINS`` of equal width; ``ece`` is None without predictions."""

    predictions: int
    ece: float | None  # expected calibration error, Naeini et al. 2015
    table: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True)
class Tracked:
    """The scores of one query: ``p`` f32[T] in clips ``bounds`` f64[T, 2] of a video of ``duration`` seconds."""

    bounds: F64
    p: F32
    duration: float
    truths: tuple[Window, ...]


def trust_in_events(outcomes: Iterable[Outcome]) -> Trust:
    """Return the calibration of event scores; an event is true if it matches a window at tIoU 0.5."""
    pairs = [(w[2], hit) for o in outcomes for w, hit in zip(o.windows, o.hits(TIOU), strict=True)]
    return _trust(np.array([score for score, _ in pairs], np.float64), np.array([hit for _, hit in pairs], np.bool_))


def trust_in_seconds(tracks: Sequence[Tracked]) -> Trust:
    """Return the calibration of clip probabilities, per second of each query; true is a second within a true window.

    A second is sampled at its middle; without a clip there, its probability is 0.
    """
    sampled = [_seconds(track) for track in tracks]
    p: F64 = np.concatenate([np.zeros(0), *(x for x, _ in sampled)])
    return _trust(p, np.concatenate([np.zeros(0, np.bool_), *(x for _, x in sampled)]))


def _trust(p: F64, outcome: Bools) -> Trust:
    p = np.clip(np.nan_to_num(p), 0.0, 1.0)
    ece = expected_calibration_error(p, outcome, BINS) if len(p) else None
    return Trust(len(p), ece, reliability(p, outcome, BINS))


def _seconds(track: Tracked) -> tuple[F64, Bools]:
    t = np.arange(max(1, int(track.duration)), dtype=np.float64) + 0.5
    truths = np.array(track.truths, np.float64).reshape(-1, 2)
    inside = ((t[:, None] >= truths[:, 0]) & (t[:, None] <= truths[:, 1])).any(axis=1)
    clip = np.searchsorted(track.bounds[:, 0], t, side="right") - 1
    covered = clip >= 0
    covered[covered] &= t[covered] <= track.bounds[clip[covered], 1]
    p = np.zeros(len(t))
    p[covered] = track.p[clip[covered]]
    return p, np.asarray(inside)
