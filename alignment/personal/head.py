"""The head of one event: a bounded correction of its logit for clips like those that people judged.

It is the posterior mode of Gaussian process classification (Rasmussen & Williams 2006, section 3.4), whose prior mean
is zero: far from everything that was judged nothing is corrected. The kernel of two clips a and b is

    k(a, b) = Σ over modalities m of share_m(a) · share_m(b) · exp(−(1 − cos_m(a, b)) / length_m).
"""

from dataclasses import dataclass

import numpy as np

from alignment.personal.samples import Samples
from alignment.types import F32, F64

LOWERED, RAISED = 9.0, 1.0  # logits that a correction has at most
LEAST = 0.02  # probability below which a clip is not corrected at all
KINDS = ("frames", "speech", "sound")  # of features, in the order of ``MODALITIES``


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Judged clips, each with its weight f32[N]; ``lengths``: of each modality, on the scale of 1 − cosine."""

    judged: Samples
    weights: F32
    lengths: tuple[float, float, float]

    def offsets(self, samples: Samples) -> F32:
        """Return f32[M]: what is added to the logits of these clips."""
        raw = kernel(samples, self.judged, self.lengths) @ self.weights
        return np.asarray(np.clip(raw, -LOWERED, RAISED), np.float32)


def kernel(a: Samples, b: Samples, lengths: tuple[float, float, float]) -> F64:
    """Return f64[len(a), len(b)]."""
    total = np.zeros((len(a), len(b)))
    for m, name in enumerate(KINDS):
        shares = np.outer(a.shares[:, m], b.shares[:, m])
        if shares.any():
            distance = 1 - np.clip((getattr(a, name) @ getattr(b, name).T).astype(np.float64), -1, 1)
            total += shares * np.exp(-distance / lengths[m])
    return total
