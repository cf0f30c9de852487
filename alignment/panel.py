"""Cosines of frames on a scale that means the same in every embedding space: z-scores against a panel of names.

Where the cosine of a true pair lies depends on the space: 0.29 in one, 0.15 in another (Liang et al. 2022, the modality
gap). The panel is a fixed list of names in the space's own text tower. For a frame f and its cosines c with the panel,

    z(text) = r · (f·text − mean(c)) / sd(c),

so a frame's own offset and the scale of the space cancel. r = √(``STRENGTH`` / T) removes a part of how distinctly this
space shows anything at all: T is the running mean of t = max((c − mean) / sd) over the stream's frames, and
``STRENGTH`` is its value in the space that the network was trained in. T never looks ahead, so a clip's z is final.
Its first estimate is what was measured of this space on other frames, if it was, else ``STRENGTH``.

The constants were fitted on composed streams of photographs whose features were moved into five spaces; other streams
checked them (docs/adr/0027).
"""

import numpy as np

from alignment.calibration import Platt, SimilarityCalibration
from alignment.types import F32, F64, Bools

NETWORK = Platt(scale=2.64, midpoint=3.76)  # z as the network's evidence: the medians of true and other pairs of `lite`
SIMILARITY = Platt(scale=2.5, midpoint=3.0)  # z as a probability
NAMES = 0.74  # standard deviation of the evidence of names in `lite`
STRENGTH = 6.85
LEAST_STRENGTH = 3.3  # the largest of 1000 z-scores of noise is about 3.2
PRIOR = 8.0  # clips that the first estimate of T counts for
HALF_LIFE = 4 * 3600.0  # clips after which a frame counts half for T: what a camera shows changes over hours
LEAST_DEVIATION = 1e-4
KEPT = 256  # clips that can be read again
COLUMNS = 3  # of a clip's scale: mean, sd, r


class PanelScale:
    """The scales of the clips of one stream, by number. For one thread."""

    def __init__(self, panel: F32, measured: float | None = None) -> None:
        self._panel = panel  # f32[K, D]
        self._expected = STRENGTH if measured is None else measured
        self._first = 0  # number of the clip that ``_sums[0]`` precedes
        self._sums = np.zeros((1, 2))  # before each clip: summed excess of t over what is expected, and clips

    def __call__(self, frames: F32, mask: Bools, at: int = 0) -> F32:
        """Return f32[T, 3], mean, sd and r of the clips from number ``at`` on.

        ``frames`` f32[T, D]; ``mask`` bool[T] True where a frame was seen. Clips that were read before under these
        numbers are replaced.
        """
        cosines = frames @ self._panel.T
        mean = cosines.mean(axis=1)
        deviation = np.maximum(cosines.std(axis=1), LEAST_DEVIATION)
        excess = (cosines.max(axis=1) - mean) / deviation - self._expected
        sums = self._sum(np.where(mask, excess, 0.0), mask, at)
        strength = np.maximum(self._expected + sums[:, 0] / (PRIOR + sums[:, 1]), LEAST_STRENGTH)
        return np.stack([mean, deviation, np.sqrt(STRENGTH / strength)], axis=1).astype(np.float32)

    def _sum(self, excess: F64, mask: Bools, at: int) -> F64:
        """Return the sums f64[T, 2] after each clip, and keep them."""
        before = self._sums[: min(max(at - self._first, 0), len(self._sums) - 1) + 1]
        sums, keep = [before[-1]], 0.5 ** (1 / HALF_LIFE)
        for step in zip(excess, mask, strict=True):
            sums.append(keep * sums[-1] + step)
        self._first, self._sums = at - len(before) + 1, np.concatenate([before[:-1], sums])
        gone = max(0, len(self._sums) - len(excess) - KEPT)
        self._first, self._sums = self._first + gone, self._sums[gone:]
        return np.array(sums[1:]).reshape(-1, 2)


def scale_of(calibration: SimilarityCalibration) -> PanelScale | None:
    """Return the scale of a new stream in an encoder's space; None where the encoder has no panel."""
    return PanelScale(calibration.panel, calibration.strength) if len(calibration.panel) else None


def strength_of(frames: F32, panel: F32) -> float:
    """Return T of frames f32[N, D], at least one: the mean of the highest z-score of a name, before r."""
    cosines = frames @ panel.T
    deviation = np.maximum(cosines.std(axis=1), LEAST_DEVIATION)
    return float(((cosines.max(axis=1) - cosines.mean(axis=1)) / deviation).mean())


def z_scores(cosines: F32, scales: F32) -> F32:
    """Return the cosines f32[T, N] of clips and texts as z-scores; ``scales`` f32[T, 3]."""
    mean, deviation, r = scales.T[..., None]
    return np.asarray(r * (cosines - mean) / deviation, np.float32)
