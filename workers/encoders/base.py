"""The Protocol of every encoder profile."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from alignment.calibration import SimilarityCalibration
from alignment.types import F32
from workers.types import U8, Areas, FrameSpec, ModelInfo


class TextEncoder(Protocol):
    """The text side of a profile: descriptions into its *frame space* (D), sentences into its *sentence space* (D')."""

    vocabulary: F32  # [K, D] frames of what this profile knows by name; [0, D] where it keeps no names

    def encode_text(self, texts: Sequence[str]) -> F32:
        """Return f32[N, D]: descriptions in the frame space."""
        ...

    def likeness(self, texts: Sequence[str], rows: F32, told: bool = True) -> F32:
        """Return f32[K]: how alike each name of the vocabulary and the nearest of ``texts`` are.

        The scale is that of MiniLM's cosines. ``rows`` f32[P, D] embed the texts. ``told``: by what else people call a
        thing, too. All 0 where P is 0.
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

    @property
    def space_file(self) -> Path | None:
        """Return where what is measured of this space is kept; None: nothing is set by it."""
        ...

    def encode_frames(self, frames: U8) -> F32:
        """Return f32[N, D] for RGB frames u8[N, H, W, 3] of ``frame_spec`` size."""
        ...

    def encode_zones(self, frames: U8, zones: Sequence[Sequence[Areas]]) -> F32:
        """Return f32[N + zones, D]: of each frame the row of ``encode_frames``, then one for each of its zones.

        ``zones`` has the zones of each frame, which may be none; the row of a zone is of what lies in its areas alone.
        Areas are in shares of the frame; of a zone beside the frame the row is not finite.
        """
        ...

    def imagine(self, beliefs: F32) -> F32:
        """Return f32[N, D]: frames as they would come of beliefs f32[N, K] in the things of ``alignment.lexicon``.

        For training on text alone; rows of ``beliefs`` sum to 1.
        """
        ...
