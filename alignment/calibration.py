"""From cosines to probabilities: one logistic curve per modality (Platt 1999), and thresholds for alert budgets."""

from dataclasses import dataclass, field

import numpy as np

from alignment.types import F32

Rates = tuple[tuple[float, float], ...]
"""Rising thresholds on p, each with the measured false alerts per hour."""


@dataclass(frozen=True, slots=True)
class Platt:
    """p = σ(scale · (x − midpoint)): ``midpoint`` is the score with p = 0.5."""

    scale: float
    midpoint: float

    def __call__(self, x: F32) -> F32:
        """Return probabilities in the shape of ``x``, without overflow for finite ``x``."""
        z = np.clip(self.scale * (x - self.midpoint), -60.0, 60.0)
        return np.asarray(1.0 / (1.0 + np.exp(-z)), np.float32)


SENTENCES = Platt(scale=20.0, midpoint=0.29)  # of MiniLM's cosines of two texts: what the aligner was trained on
_NAME_COSINES = (0.1813, 0.0856)  # mean and standard deviation over all pairs of the lexicon's names in MiniLM's space


def text_curve(names: F32) -> Platt:
    """Return the curve of cosines of two texts that gives them the meaning that they have in MiniLM's space.

    ``names`` f32[K, D], unit rows of one text tower: at least three names of different things. The mean and the
    standard deviation of their cosines are matched with MiniLM's, because a tower's cone of texts may be narrow (CLIP:
    0.66 ± 0.02) or wide.
    """
    pairs = (names @ names.T)[np.triu_indices(len(names), 1)]
    mean, deviation = _NAME_COSINES
    stretch = max(float(pairs.std()), 1e-4) / deviation
    return Platt(SENTENCES.scale / stretch, float(pairs.mean()) + stretch * (SENTENCES.midpoint - mean))


@dataclass(frozen=True, slots=True)
class SimilarityCalibration:
    """The calibration curves of one encoder profile.

    ``contrast`` is the scale, per unit of cosine, of the two-way choice between a description and its nearest
    contrast: p is multiplied by σ(contrast · (description − contrast)). ``text``: of two texts in the frame space.
    ``panel``: names in the frame space, if pictures are judged by z-scores against them (``alignment/panel``) instead
    of by the curve of ``vision``; no rows where that curve was fitted. ``strength``: how distinctly this space shows
    things, as it was measured on frames (``alignment/evaluation/space``); None: not measured. Only the network starts
    from it: it lowers again what a larger r has raised.
    """

    vision: Platt
    speech: Platt
    sound: Platt
    contrast: float = 20.0
    text: Platt = SENTENCES
    panel: F32 = field(default_factory=lambda: np.zeros((0, 0), np.float32), compare=False, repr=False)  # [K, D]
    strength: float | None = None


_SOUND = Platt(scale=10.0, midpoint=0.5)  # the tagger's own probabilities, sharpened

# Priors, not fitted (no CLIP weights available). CLIP learns a softmax scale of 100 (Radford et al. 2021); cosines of
# matching pairs lie around 0.25 to 0.35, of others around 0.10 to 0.22 (Liang et al. 2022, the modality gap). Sentences
# through a CLIP text tower lie within a narrow cone: unrelated ones around 0.6, paraphrases above 0.8. A loaded
# encoder replaces the curve of texts by its own (``text_curve``).
_CONE = Platt(scale=71.0, midpoint=0.69)
CLIP_CALIBRATION = SimilarityCalibration(
    vision=Platt(scale=50.0, midpoint=0.23),
    speech=Platt(scale=25.0, midpoint=0.78),
    sound=_SOUND,
    contrast=100.0,
    text=_CONE,
)

# SigLIP trains p = σ(t · cos + b) itself (Zhai et al. 2023); t ≈ 117 and b ≈ -12.9 belong to the published base model.
# A checkpoint's own t and b replace this vision curve.
SIGLIP_CALIBRATION = SimilarityCalibration(
    vision=Platt(scale=117.0, midpoint=0.11),
    speech=Platt(scale=25.0, midpoint=0.78),
    sound=_SOUND,
    contrast=117.0,
    text=_CONE,
)

# Fitted on 30 composed streams of 120 s (10 of seed 1, 20 of seed 101): event F1 has a flat maximum around p = 0.5.
LITE_CALIBRATION = SimilarityCalibration(
    vision=Platt(scale=30.0, midpoint=0.105),
    speech=SENTENCES,
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


# The same where pictures are read against a panel: false alerts, tIoU below 0.3, on 20 composed streams (seeds 101 and
# 202) in eight spaces like those of CLIP and SigLIP (docs/figures.md); recall falls from 0.79 to 0.58.
SIMILARITY_FALSE_ALERTS_ON_PANEL: Rates = (
    (0.3, 11.66),
    (0.4, 10.14),
    (0.5, 8.78),
    (0.6, 7.48),
    (0.7, 6.36),
    (0.8, 5.14),
    (0.9, 3.22),
    (0.95, 2.06),
    (0.98, 1.16),
)


def threshold_for_budget(per_hour: float, table: Rates = SIMILARITY_STRAYS_PER_HOUR) -> float:
    """Return the threshold on p at which at most ``per_hour`` false alerts are expected.

    ``table``: rising thresholds with the measured alerts per hour. Interpolation is log-linear; there is no
    extrapolation: a budget below all measured rates gives the highest measured threshold, because the recall of higher
    ones is unknown.
    """
    thresholds, rates = zip(*reversed(table), strict=True)
    return float(np.interp(np.log(max(per_hour, 1e-9)), np.log(rates), thresholds))
