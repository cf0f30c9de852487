"""Training tasks: which examples are usable, and how examples become a batch with its targets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from alignment.aligners.trained.batches import Batch, Sample, Targets, Tensors, collate
from alignment.calibration import SimilarityCalibration


class Task(Protocol):
    """Turns examples of one kind into tensors; equal examples and equal torch random numbers give equal tensors."""

    def usable(self, sample: Any) -> bool:
        """Return whether all numbers of an example are finite."""
        ...

    def collate(self, samples: Sequence[Any]) -> tuple[Tensors, Tensors]:
        """Return the model's input and the targets that its outputs are compared with."""
        ...


@dataclass(frozen=True, slots=True)
class AlignmentTask:
    """Descriptions on windows (``Sample``), for a method that returns ``Outputs``."""

    calibration: SimilarityCalibration

    def usable(self, sample: Sample) -> bool:
        """Return whether all inputs and targets of a sample are finite."""
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
