"""Novelty of the frames of a stream as they come, in bounded memory.

It is that of ``novelty``, against an even sample of the past (reservoir sampling, Vitter 1985) and without smoothing.
"""

from collections import deque

import numpy as np

from alignment.summary.novelty import LEAST_SPREAD, NEAREST, SAMPLE
from alignment.types import F32
from alignment.vectors import unit_rows

LEAST_FRAMES = 300  # before that nothing is known about what is usual
LATEST = 10  # frames that are no witnesses yet: what is novel goes on for some seconds


class RunningNovelty:
    """The novelty of one camera's frames. For one thread."""

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        self._sample: F32 = np.zeros((0, 0), np.float32)
        self._latest: deque[F32] = deque(maxlen=LATEST)
        self._distances = np.zeros(SAMPLE)  # of the latest frames
        self._measured = 0  # frames with a distance
        self._seen = 0  # frames that are or were in the sample

    def add(self, row: F32) -> float:
        """Return the novelty of the next frame f32[D], in robust standard deviations; 0 while too little was seen."""
        unit = unit_rows(row)
        if len(self._latest) == LATEST:
            self._remember(self._latest[0])
        self._latest.append(unit)
        if self._seen < NEAREST:
            return 0.0
        distance = float(1.0 - np.partition(self._sample @ unit, -NEAREST)[-NEAREST:].mean())
        self._distances[self._measured % SAMPLE] = distance
        self._measured += 1
        if self._seen < LEAST_FRAMES:
            return 0.0
        known = self._distances[: self._measured]
        usual = float(np.median(known))
        spread = 1.4826 * float(np.median(np.abs(known - usual)))
        return (distance - usual) / max(spread, LEAST_SPREAD)

    def _remember(self, unit: F32) -> None:
        self._seen += 1
        if len(self._sample) < SAMPLE:
            self._sample = np.concatenate([self._sample.reshape(-1, len(unit)), unit[None]])
        elif (place := int(self._random.integers(self._seen))) < SAMPLE:
            self._sample[place] = unit
