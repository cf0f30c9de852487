"""The ``colour`` profile: which colours a frame shows, without any model.

For trying out an installation and for tests of everything but models: it loads at once and imports no torch. Each
pixel has the colour of the nearest shade of ``COLOURS``; a frame is the share of each colour, and a description is the
colours that it names. So "a red car" is found where a frame is mostly red, car or not. Sentences are compared by the
words that they share (the hashing trick, Weinberger et al. 2009).
"""

import re
import zlib
from collections.abc import Sequence

import numpy as np

from alignment.calibration import LITE_CALIBRATION, Platt, SimilarityCalibration
from alignment.types import F32
from alignment.vectors import unit_rows
from workers.areas import outside
from workers.encoders.preprocess import check_frames
from workers.errors import ModelUnavailable
from workers.models.colours import COLOURS, named_colours
from workers.models.options import EncoderOptions
from workers.types import U8, Areas, FrameSpec, ModelInfo

SIZE = 224  # of frames: as large as those of other profiles, for they are shown with events
STEP = 7  # one pixel in so many of a row, one row in so many, is looked at
NAMES = tuple(COLOURS)
WORDS = 1024  # numbers of a sentence: two words share one of them once in a thousand pairs
_LONG_WORD = re.compile(r"\w{4,}")  # shorter ones are in every sentence
_FRAMES = Platt(scale=20.0, midpoint=0.5)  # an event is as likely as not where a colour has about a third of a frame
_SENTENCES = Platt(scale=20.0, midpoint=0.35)  # or where a sentence and a description share a third of their words
_SHADES = np.array([shade for shades in COLOURS.values() for shade in shades], np.float32)  # [S, 3]
_NAME_OF = np.repeat(np.arange(len(NAMES)), [len(shades) for shades in COLOURS.values()])  # [S]


class ColourEncoder:
    """An ``Encoder`` whose frame space has one number a colour (D = 11), and one a word in sentences (D' = 1024)."""

    def __init__(self, options: EncoderOptions | None = None) -> None:
        self.info = ModelInfo("colour/names@1", "colour", "names", "1", len(NAMES), "Apache-2.0", "cpu", 0.0)
        self.frame_spec = FrameSpec(SIZE, SIZE, "squash")
        self.calibration = SimilarityCalibration(_FRAMES, _SENTENCES, LITE_CALIBRATION.sound)
        self.vocabulary = np.zeros((0, len(NAMES)), np.float32)
        self.space_file = None

    def encode_frames(self, frames: U8) -> F32:
        """Return the colours of RGB frames u8[N, 224, 224, 3] as unit rows f32[N, 11]; raise ``FeatureError``."""
        checked = check_frames(frames, self.frame_spec)
        return unit_rows(_shares(checked[:, STEP // 2 :: STEP, STEP // 2 :: STEP]))

    def encode_zones(self, frames: U8, zones: Sequence[Sequence[Areas]]) -> F32:
        """Return f32[N + zones, 11]: of each frame its colours, then those of its zones, NaN for one beside it."""
        rows = []
        for frame, areas in zip(frames, zones, strict=True):
            parts = (frame[~outside(a, *frame.shape[:2])][::STEP] for a in areas)
            rows += [self.encode_frames(frame[None]), *map(_within, parts)]
        return np.concatenate(rows)

    def encode_text(self, texts: Sequence[str]) -> F32:
        """Return the colours that texts name as unit rows f32[N, 11]; a text that names none is a row of zeros."""
        rows = np.zeros((len(texts), len(NAMES)), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[[NAMES.index(name) for name in named_colours(text)]] = 1.0
        return unit_rows(rows)

    def likeness(self, texts: Sequence[str], rows: F32, told: bool = True) -> F32:
        """Return f32[0]: the profile keeps no vocabulary."""
        return np.zeros(0, np.float32)

    def encode_sentences(self, texts: Sequence[str]) -> F32:
        """Return the words of sentences as unit rows f32[N, 1024]; a sentence of short words only is a row of zeros."""
        rows = np.zeros((len(texts), WORDS), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[[zlib.crc32(word.encode()) % WORDS for word in _LONG_WORD.findall(text.lower())]] = 1.0
        return unit_rows(rows)

    def imagine(self, beliefs: F32) -> F32:
        """Raise ``ModelUnavailable``: an aligner for colours cannot be trained on text."""
        raise ModelUnavailable("the profile colour cannot imagine things", "train with the profile lite")


def _within(pixels: U8) -> F32:
    """Return the colours f32[1, 11] of the pixels u8[N, 3] of a zone; NaN without any."""
    return unit_rows(_shares(pixels[None, None])) if len(pixels) else np.full((1, len(NAMES)), np.nan, np.float32)


def _shares(pixels: U8) -> F32:
    """Return f32[N, 11]: the share of each colour among RGB pixels u8[N, H, W, 3]."""
    count, height, width, _ = pixels.shape
    flat = pixels.astype(np.float32).reshape(count, height * width, 3)
    distance = (_SHADES**2).sum(axis=1) - 2.0 * flat @ _SHADES.T  # squared, less the same for each shade
    names = _NAME_OF[distance.argmin(axis=2)]  # [N, H·W]
    return np.stack([(names == i).mean(axis=1) for i in range(len(NAMES))], axis=1).astype(np.float32)
