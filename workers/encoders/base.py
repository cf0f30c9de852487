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
    vocabulary: F32  # [K, D] frames of what this profile knows by name; [0, D] where it keeps no names

    def encode_text(self, texts: Sequence[str]) -> F32:
        """Return f32[N, D]: descriptions in the frame space."""
        ...

    def likeness(self, rows: F32, told: bool = True) -> F32:
        """Return f32[K]: the cosine of each name of the vocabulary with the nearest of descriptions f32[P, D].

        ``told``: by what else people call a thing, too. All 0 where P is 0.
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
