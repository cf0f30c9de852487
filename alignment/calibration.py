"""From cosines to probabilities: one logistic curve a modality (Platt 1999)."""

from dataclasses import dataclass

import numpy as np

from alignment.types import F32


@dataclass(frozen=True, slots=True)
class Platt:
    """p = σ(scale · (x − midpoint)): ``midpoint`` is the score at which an event is as likely as not."""

    scale: float
    midpoint: float

    def __call__(self, x: F32) -> F32:
        """Return probabilities, same shape as ``x``."""
        return (1.0 / (1.0 + np.exp(-self.scale * (x - self.midpoint)))).astype(np.float32)


@dataclass(frozen=True, slots=True)
class SimilarityCalibration:
    """The curves of one encoder profile."""

    vision: Platt
    speech: Platt
    sound: Platt
