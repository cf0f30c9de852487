"""Fits a head to what people judged, in milliseconds: Newton's method on at most a few hundred clips."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignment.personal.head import KINDS, Head, kernel
from alignment.personal.samples import Samples
from alignment.types import F64

VARIANCE = 400.0  # of the prior of a correction, in logits squared
WEIGHT = 3.0  # of one event, shared by its clips
# How far a judgement reaches, by the median distance of the judged clips: it differs between embedding spaces.
REACH, LEAST_LENGTH = 0.45, 0.03
NEWTON_STEPS, CLOSE = 30, 1e-4


@dataclass(frozen=True, slots=True)
class Judged:
    """The surest clips of one event, whether it is what was described, and the logit at which it began."""

    samples: Samples
    right: bool
    threshold: float


def fit(events: Sequence[Judged]) -> Head:
    """Return the head of some judged events, at least one."""
    samples = Samples.joined([e.samples for e in events])
    counts = [len(e.samples) for e in events]
    sign = np.repeat([1.0 if e.right else -1.0 for e in events], counts)
    margin = samples.logits - np.repeat([e.threshold for e in events], counts)
    weight = np.repeat([WEIGHT / count for count in counts], counts)
    lengths = (_length(samples, 0), _length(samples, 1), _length(samples, 2))
    dual = posterior_mode(VARIANCE * kernel(samples, samples, lengths), sign, margin, weight)
    return Head(samples, np.asarray(VARIANCE * dual, np.float32), lengths)


def _length(samples: Samples, modality: int) -> float:
    """Return the kernel's length for one modality."""
    rows = getattr(samples, KINDS[modality])[samples.shares[:, modality] > 0]
    if len(rows) < 2:
        return LEAST_LENGTH
    distances = 1 - (rows @ rows.T)[np.triu_indices(len(rows), 1)]
    return max(LEAST_LENGTH, REACH * float(np.median(distances)))


def posterior_mode(k: F64, sign: F64, margin: F64, weight: F64) -> F64:
    """Return f64[N], the gradient of the likelihood at the posterior mode: k @ gradient is the correction there.

    Algorithm 3.1 of Rasmussen & Williams, with a weight for each clip, and the models' margin beside the latent value.
    """
    dual = np.zeros(len(sign))
    best = _log_posterior(dual, dual, sign, margin, weight)
    for _ in range(NEWTON_STEPS):
        f = k @ dual
        p = 1 / (1 + np.exp(-np.clip(margin + f, -30, 30)))
        curvature = np.maximum(weight * p * (1 - p), 1e-9)
        root = np.sqrt(curvature)
        b = curvature * f + weight * ((sign + 1) / 2 - p)
        inner = np.eye(len(f)) + root[:, None] * k * root
        newton = b - root * np.linalg.solve(inner, root * (k @ b))
        step, value = 1.0, -np.inf
        while step > 1e-3 and value < best:  # a full step may lead too far
            trial = dual + step * (newton - dual)
            value, step = _log_posterior(trial, k @ trial, sign, margin, weight), step / 2
        if value < best:
            break
        moved = np.abs(trial - dual).max()
        dual, best = trial, value
        if moved < CLOSE:
            break
    return dual


def _log_posterior(dual: F64, f: F64, sign: F64, margin: F64, weight: F64) -> float:
    return float(-(weight * np.logaddexp(0, -sign * (margin + f))).sum() - dual @ f / 2)
