"""What a run learns: which examples can be used, and how they become a batch and what it is held against."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from alignment.batches import Batch, Sample, Targets, Tensors, collate
from alignment.calibration import SimilarityCalibration


class Task(Protocol):
    """Turns examples of its own kind into tensors; the same examples and torch random numbers give the same."""

    def usable(self, sample: Any) -> bool:
        """Return whether an example has only numbers that can be learned from."""
        ...

    def collate(self, samples: Sequence[Any]) -> tuple[Tensors, Tensors]:
        """Return what the model is given, and what its answer is held against."""
        ...


@dataclass(frozen=True, slots=True)
class AlignmentTask:
    """Descriptions on windows (``Sample``), for a method that answers ``Outputs``."""

    calibration: SimilarityCalibration

    def usable(self, sample: Sample) -> bool:
        """Return whether everything that a sample gives a method is a number."""
        window, query = sample.window, sample.query
        arrays = (
            *(window.bounds, window.frames[window.frame_mask], window.speech, window.speech_t),
            *(window.sound[window.sound_mask], query.vision, query.vision_unlike, query.speech, query.speech_unlike),
            *(query.sound, query.prior, query.vision_words, query.speech_words, query.likeness, sample.relevant),
        )
        return all(bool(np.isfinite(a).all()) for a in arrays)

    def collate(self, samples: Sequence[Sample]) -> tuple[Batch, Targets]:
        """Return one padded batch with its targets."""
        return collate(samples, self.calibration)
