"""The Protocol of every encoder profile."""

from collections.abc import Sequence
from typing import Protocol

from alignment.calibration import SimilarityCalibration
from alignment.types import F32
from workers.types import U8, FrameSpec, ModelInfo


class TextEncoder(Protocol):
    """The text side of a profile: descriptions into its *frame space* (D), sentences into its *sentence space* (D').

    ``background`` are descriptions of nothing in particular, contrasts for every query in frame space.
    """

    background: tuple[str, ...]

    def encode_text(self, texts: Sequence[str]) -> F32:
        """Return f32[N, D]: descriptions in the frame space."""
        ...

    def concepts(self, rows: F32) -> tuple[F32, F32]:
        """Return what else this encoder knows by name near descriptions f32[P, D], the most alike first.

        Rows f32[K, D] and likeness f32[K], a cosine; none where it keeps no vocabulary, or P is 0.
        """
        ...

    def encode_sentences(self, texts: Sequence[str]) -> F32:
        """Return f32[N, D']: what is said, and what is said to be said, in the sentence space."""
        ...


class Encoder(TextEncoder, Protocol):
    """One model profile: frames and texts into one frame space, sentences into a sentence space.

    Rows of every result have unit length. Methods may be called from one thread at a time.
    ``calibration`` turns this profile's cosines into probabilities.
    """

    info: ModelInfo
    frame_spec: FrameSpec
    calibration: SimilarityCalibration

    def encode_frames(self, frames: U8) -> F32:
        """Return f32[N, D] for RGB frames u8[N, H, W, 3] of ``frame_spec`` size."""
        ...

    def imagine(self, beliefs: F32) -> F32:
        """Return f32[N, D]: frames as they would come of beliefs f32[N, K] in the things of ``alignment.lexicon``.

        For training on text alone; rows of ``beliefs`` sum to 1.
        """
        ...
