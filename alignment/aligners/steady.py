"""What the network sees in a picture that stays the same: its answer trembles there, though nothing happens.

On photographs that stand for ten seconds, of frames with a cosine of 0.99 one had a probability of 0.9 and the next one
of 0.3, so one event became several short ones, or none that was long enough. While a picture stays the same, its
probability therefore falls from its peak by a tenth a clip at most; where it falls at once to less than a quarter,
something is gone, and nothing is held. A sure event of a camera that always shows the same ends with what it shows.
"""

import numpy as np

from alignment.types import F32, Bools

ALIKE = 0.95  # cosine of two frames of one picture
KEPT = 0.9  # of the probability of the clip before
GONE = 0.25  # of the same: below this nothing is kept


class SteadyScores:
    """The held probabilities of one sliding window. For one thread."""

    def __init__(self) -> None:
        self._first = 0  # number of the first clip of ``_held``
        self._held: F32 | None = None  # [Q, T] of the last window

    def hold(self, p: F32, frames: F32, real: Bools, first: int, known: int) -> F32:
        """Return p f32[Q, T] of clips from number ``first`` on, held.

        Frames f32[T, D] are unit rows; ``real`` bool[T] True where one was seen. Of the first ``known`` clips nothing
        has changed since the last call.
        """
        held = p.copy()
        if self._held is not None:
            before = self._held[:, first - self._first :][:, :known]
            held[:, : before.shape[1]] = before
        begin = max(1, min(known, held.shape[1]))
        alike = (frames[begin:] * frames[begin - 1 : -1]).sum(axis=1) >= ALIKE
        for i in np.flatnonzero(alike & real[begin:] & real[begin - 1 : -1]) + begin:
            last = held[:, i - 1]
            held[:, i] = np.maximum(p[:, i], np.where(p[:, i] >= GONE * last, KEPT * last, 0))
        self._first, self._held = first, held
        return held
