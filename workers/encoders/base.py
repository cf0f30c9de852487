"""The Protocol of every encoder profile."""

from collections.abc import Sequence
from typing import Protocol

from alignment.calibration import SimilarityCalibration
from alignment.types import F32
from workers.types import U8, FrameSpec, ModelInfo


class Encoder(Protocol):
    """One model profile: frames and texts into one *frame space* (D), sentences into a *sentence space* (D').

    Rows of every result have unit length. Methods may be called from one thread at a time.
    ``background`` are descriptions of nothing in particular, contrasts for every query in frame space;
    ``calibration`` turns this profile's cosines into probabilities.
    """

    info: ModelInfo
    frame_spec: FrameSpec
    background: tuple[str, ...]
    calibration: SimilarityCalibration

    def encode_frames(self, frames: U8) -> F32:
        """Return f32[N, D] for RGB frames u8[N, H, W, 3] of ``frame_spec`` size."""
        ...

    def encode_text(self, texts: Sequence[str]) -> F32:
        """Return f32[N, D]: descriptions in the frame space."""
        ...

    def concepts(self, rows: F32) -> F32:
        """Return f32[K, D]: what else this encoder knows by name near descriptions f32[P, D], the most alike first.

        No rows where it keeps no vocabulary, or P is 0.
        """
        ...

    def encode_sentences(self, texts: Sequence[str]) -> F32:
        """Return f32[N, D']: what is said, and what is said to be said, in the sentence space."""
        ...
