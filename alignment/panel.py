"""Cosines of frames on a scale that means the same in every embedding space: z-scores against a panel of names.

Where the cosine of a true pair lies depends on the space: 0.29 in one, 0.15 in another (Liang et al. 2022, the modality
gap). The panel is a fixed list of names in the space's own text tower. For a frame f and its cosines c with the panel,

    z(text) = r · (f·text − mean(c)) / sd(c),

so a frame's own offset and the scale of the space cancel. r = √(``STRENGTH`` / T) removes a part of how distinctly this
space shows anything at all: T is the running mean of t = max((c − mean) / sd) over the stream's frames, and
``STRENGTH`` is its value in the space that the network was trained in. T never looks ahead, so a clip's z is final.
Its first estimate is what was measured of this space on other frames, if it was, else ``STRENGTH``.

Each frame has noise of its own, so it is first averaged with those of the ``PAST`` clips before it that show the same
picture: whose z-scores of the names differ from its own by hardly more than usual between neighbours of this stream
(docs/adr/0060).

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
PAST = 2
LEAST_CHANGE, UNRELATED = 1e-4, 1.0  # of two frames: the same, and with nothing in common
KEPT = 256  # clips that can be read again
COLUMNS = 3  # of a clip's scale: mean, sd, r


class PanelReader:
    """Reads the clips of one stream against a panel, by number. For one thread.

    ``past``: how many clips before a clip its frame may be averaged with.
    """

    def __init__(self, panel: F32, measured: float | None = None, past: int = PAST) -> None:
        self._past = past
        self._panel = panel  # f32[K, D]
        self._expected = STRENGTH if measured is None else measured
        self._first = 0  # number of the first clip that is kept
        self._rows = np.zeros((0, panel.shape[1]), np.float32)  # of the kept clips, as they came
        self._real: Bools = np.zeros(0, bool)
        # before each kept clip and after the last: summed excess of t over what is expected, and how many clips;
        # summed logarithms of the changes from clip to clip, and how many
        self._sums = np.zeros((1, 4))

    def __call__(self, frames: F32, mask: Bools, at: int = 0) -> tuple[F32, F32]:
        """Return the clips from number ``at`` on, averaged f32[T, D], and f32[T, 3], mean, sd and r of each.

        ``frames`` f32[T, D]; ``mask`` bool[T] True where a frame was seen. Clips that were read before under these
        numbers are replaced.
        """
        kept = min(max(at - self._first, 0), len(self._rows))
        self._first = at - kept
        self._rows = np.concatenate([self._rows[:kept], frames])
        self._real = np.concatenate([self._real[:kept], mask])
        weights, changes = self._weights(kept)
        rows = self._rows[-weights.shape[1] :]
        frames = (weights @ rows).astype(np.float32)
        cosines = frames @ self._panel.T
        mean, deviation = _mean_and_deviation(cosines)
        excess = ((cosines - mean) / deviation).max(axis=1) - self._expected
        strengths = _decayed(self._sums[kept, :2], np.stack([np.where(mask, excess, 0.0), mask], axis=1))
        self._sums = np.concatenate([self._sums[:kept], np.concatenate([strengths, changes], axis=1)])
        self._forget(max(0, kept - KEPT))
        strength = np.maximum(self._expected + strengths[1:, 0] / (PRIOR + strengths[1:, 1]), LEAST_STRENGTH)
        scales = np.concatenate([mean, deviation, np.sqrt(STRENGTH / strength)[:, None]], axis=1)
        return frames, scales.astype(np.float32)

    def _weights(self, kept: int) -> tuple[F64, F64]:
        """Return the weights f64[T, P + T] of the last clips for the mean of each new one, and the sums of changes.

        The clips from number ``kept`` of those that are kept are new. The sums f64[T + 1, 2] are before each new clip
        and after the last.
        """
        begin = max(0, kept - self._past)
        new, real = slice(kept - begin, None), self._real[begin:]
        cosines = self._rows[begin:] @ self._panel.T
        mean, deviation = _mean_and_deviation(cosines)
        names = (cosines - mean) / deviation
        change = np.maximum(1.0 - names[new] @ names.T / names.shape[1], LEAST_CHANGE)
        here, there = np.arange(len(names))[new, None], np.arange(len(names))
        both = real[new, None] & real
        steps = (
            np.where(both & (there == here - 1), np.stack([np.log(change), np.ones_like(change)]), 0.0).sum(axis=2).T
        )
        sums = _decayed(self._sums[kept, 2:], steps)
        usual = np.minimum(np.exp(sums[:-1, :1] / np.maximum(sums[:-1, 1:], 1)), UNRELATED / 2)
        near = both & (there < here) & (there >= here - self._past) & (sums[:-1, 1:] > 0)
        weights = np.where(near, np.clip(2.0 - change / usual, 0.0, 1.0), there == here)
        return weights / weights.sum(axis=1, keepdims=True), sums

    def _forget(self, clips: int) -> None:
        self._first += clips
        self._rows, self._real, self._sums = self._rows[clips:], self._real[clips:], self._sums[clips:]


def _decayed(before: F64, steps: F64) -> F64:
    """Return ``before`` f64[C] and the running sums f64[1 + T, C] after each step, older ones counting less."""
    sums, keep = [before], 0.5 ** (1 / HALF_LIFE)
    for step in steps:
        sums.append(keep * sums[-1] + step)
    return np.array(sums)


def _mean_and_deviation(cosines: F32) -> tuple[F32, F32]:
    """Return mean and sd f32[T, 1] of cosines f32[T, K]."""
    return cosines.mean(axis=1, keepdims=True), np.maximum(cosines.std(axis=1, keepdims=True), LEAST_DEVIATION)


def reader_of(calibration: SimilarityCalibration) -> PanelReader | None:
    """Return the reader of a new stream in an encoder's space; None where the encoder has no panel."""
    return PanelReader(calibration.panel, calibration.strength) if len(calibration.panel) else None


def strength_of(frames: F32, panel: F32) -> float:
    """Return T of frames f32[N, D], at least one: the mean of the highest z-score of a name, before r."""
    cosines = frames @ panel.T
    mean, deviation = _mean_and_deviation(cosines)
    return float(((cosines - mean) / deviation).max(axis=1).mean())


def z_scores(cosines: F32, scales: F32) -> F32:
    """Return the cosines f32[T, N] of clips and texts as z-scores; ``scales`` f32[T, 3]."""
    mean, deviation, r = scales.T[..., None]
    return np.asarray(r * (cosines - mean) / deviation, np.float32)
