"""From cosines to probabilities: one logistic curve a modality (Platt 1999), and thresholds for alert budgets."""

from dataclasses import dataclass

import numpy as np

from alignment.types import F32


@dataclass(frozen=True, slots=True)
class Platt:
    """p = σ(scale · (x − midpoint)): ``midpoint`` is the score at which an event is as likely as not."""

    scale: float
    midpoint: float

    def __call__(self, x: F32) -> F32:
        """Return probabilities, same shape as ``x``; no finite ``x`` overflows."""
        z = np.clip(self.scale * (x - self.midpoint), -60.0, 60.0)
        return (1.0 / (1.0 + np.exp(-z))).astype(np.float32)


@dataclass(frozen=True, slots=True)
class SimilarityCalibration:
    """The curves of one encoder profile.

    ``contrast`` is the scale, per unit of cosine, of the two-way choice between a description and its nearest
    contrast: p is multiplied by σ(contrast · (description − contrast)).
    """

    vision: Platt
    speech: Platt
    sound: Platt
    contrast: float = 20.0


_SOUND = Platt(scale=10.0, midpoint=0.5)  # the tagger's own probabilities, sharpened

# Priors, not fits: no CLIP weights were at hand. CLIP learns a softmax scale of 100 (Radford et al. 2021); cosines of
# matching pairs lie around 0.25 to 0.35, of others around 0.10 to 0.22 (Liang et al. 2022, the modality gap). Sentences
# through a CLIP text tower lie within a narrow cone: unrelated ones around 0.6, paraphrases above 0.8.
CLIP_CALIBRATION = SimilarityCalibration(
    vision=Platt(scale=50.0, midpoint=0.23),
    speech=Platt(scale=25.0, midpoint=0.78),
    sound=_SOUND,
    contrast=100.0,
)

# SigLIP trains p = σ(t · cos + b) itself (Zhai et al. 2023); t ≈ 117 and b ≈ -12.9 are what its authors report at the
# end of training. A checkpoint's own t and b replace this vision curve.
SIGLIP_CALIBRATION = SimilarityCalibration(
    vision=Platt(scale=117.0, midpoint=0.11),
    speech=Platt(scale=25.0, midpoint=0.78),
    sound=_SOUND,
    contrast=117.0,
)

# Fitted on 30 composed streams so that p = 0.5 is a good threshold; see ``threshold_for_budget`` for its alerts.
LITE_CALIBRATION = SimilarityCalibration(
    vision=Platt(scale=30.0, midpoint=0.105),
    speech=Platt(scale=20.0, midpoint=0.29),
    sound=_SOUND,
)
