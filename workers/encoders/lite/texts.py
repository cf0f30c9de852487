"""The text side of the ``lite`` profile: descriptions among the names of what a frame can show.

It needs no network that sees frames, and loads in 1.3 s, most of it torch.
"""

from collections.abc import Sequence

import numpy as np

from alignment.types import F32
from alignment.vectors import unit_rows
from workers.encoders.lite.classes import load_classes
from workers.encoders.sentences.minilm import DIM, MiniLM
from workers.models.options import Quantize

FAMILIARITY = 0.35
CONSTANT = 0.6  # the last number of every frame's row; the others have length 0.8


class LiteTexts:
    """Implements ``TextEncoder``; ``lite`` explains *familiarity*."""

    def __init__(self, quantize: Quantize = "none") -> None:
        self._text = MiniLM(quantize)
        self._classes = load_classes()
        self.vocabulary = self.imagine(np.eye(len(self._classes.rows), dtype=np.float32))

    def imagine(self, beliefs: F32) -> F32:
        """Return f32[N, 385], unit rows, where the classes with beliefs f32[N, 1000] are seen."""
        seen = unit_rows(beliefs @ self._classes.rows) * np.float32(np.sqrt(1 - CONSTANT**2))
        return np.concatenate([seen, np.full((len(seen), 1), CONSTANT, np.float32)], axis=1)

    def encode_text(self, texts: Sequence[str]) -> F32:
        """Return f32[N, 385], unit rows: the centred description, and how much its familiarity is held against it."""
        rows = unit_rows(self._text.encode(texts) - self._classes.centre)
        familiarity = np.maximum((rows @ self._classes.rows.T).max(axis=1, keepdims=True), 0.0)
        against = -FAMILIARITY * familiarity * np.sqrt(1 - CONSTANT**2) / CONSTANT
        return unit_rows(np.concatenate([rows, against], axis=1))

    def likeness(self, texts: Sequence[str], rows: F32, told: bool = True) -> F32:
        """Return f32[1000]: how alike each class and the nearest of descriptions f32[P, 385] are."""
        likeness: F32 = self._classes.likeness(unit_rows(rows[:, :DIM]), told).max(axis=0, initial=0.0)
        return likeness

    def encode_sentences(self, texts: Sequence[str]) -> F32:
        """Return f32[N, 384], unit rows."""
        return self._text.encode(texts)
