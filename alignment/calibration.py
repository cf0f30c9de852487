"""From cosines to probabilities: one logistic curve a modality (Platt 1999), and thresholds for alert budgets."""

from dataclasses import dataclass

import numpy as np

from alignment.types import F32

Rates = tuple[tuple[float, float], ...]
"""Thresholds on p, rising, each with the false alerts an hour that were measured at it."""


@dataclass(frozen=True, slots=True)
class Platt:
    """p = σ(scale · (x − midpoint)): ``midpoint`` is the score at which an event is as likely as not."""

    scale: float
    midpoint: float

    def __call__(self, x: F32) -> F32:
        """Return probabilities, same shape as ``x``; no finite ``x`` overflows."""
        z = np.clip(self.scale * (x - self.midpoint), -60.0, 60.0)
        return np.asarray(1.0 / (1.0 + np.exp(-z)), np.float32)


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

# SigLIP trains p = σ(t · cos + b) itself (Zhai et al. 2023); t ≈ 117 and b ≈ -12.9 belong to the published base model.
# A checkpoint's own t and b replace this vision curve.
SIGLIP_CALIBRATION = SimilarityCalibration(
    vision=Platt(scale=117.0, midpoint=0.11),
    speech=Platt(scale=25.0, midpoint=0.78),
    sound=_SOUND,
    contrast=117.0,
)

# Fitted on 30 composed streams of 120 s (10 of seed 1, 20 of seed 101): around p = 0.5 event F1 is flat and highest.
LITE_CALIBRATION = SimilarityCalibration(
    vision=Platt(scale=30.0, midpoint=0.105),
    speech=Platt(scale=20.0, midpoint=0.29),
    sound=_SOUND,
)

# Alerts that touch no true window, per query and hour, at each threshold on p: `lite` evaluated with that threshold on
# 50 composed streams (seeds 1, 101 and 202; 685 queries, 22.8 query-hours; recall falls from 0.83 to 0.60). These
# streams show something new every eight seconds, a hundred times as often as most cameras.
SIMILARITY_STRAYS_PER_HOUR: Rates = (
    (0.3, 5.65),
    (0.4, 4.33),
    (0.5, 3.15),
    (0.6, 2.80),
    (0.7, 2.41),
    (0.8, 1.71),
    (0.9, 1.36),
    (0.95, 1.05),
    (0.98, 0.48),
)


def threshold_for_budget(per_hour: float, table: Rates = SIMILARITY_STRAYS_PER_HOUR) -> float:
    """Return the threshold on p at which an event is expected to give at most ``per_hour`` false alerts.

    ``table``: rising thresholds with the alerts an hour measured at each. Log-linear between the measured rates, and
    never beyond them: a smaller budget than any gives the highest measured threshold, for nothing is known about the
    recall of higher ones.
    """
    thresholds, rates = zip(*reversed(table), strict=True)
    return float(np.interp(np.log(max(per_hour, 1e-9)), np.log(rates), thresholds))
