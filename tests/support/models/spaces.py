"""Embedding spaces of other kinds, made of what a classifier believes to see: what one aligner must serve.

No CLIP weights come as a package, so a space is made of beliefs f32[N, 1000] in the things of the lexicon, real ones of
``lite`` or composed ones, and of texts in MiniLM or another real text tower. Makings differ in what a picture is:

- ``names``: a mixture of the names of what it shows, of which the panel is made, too;
- ``looks``: of how those things look and what else they are called. No name of the panel is in it.

Both are put where a space of two towers has its pictures and its texts: in two narrow cones with a gap between them
(Liang et al. 2022), and each picture has noise of its own.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alignment.aligners.base import Aligner
from alignment.calibration import SimilarityCalibration
from alignment.evaluation.annotations import Annotation, ScoredWindow
from alignment.evaluation.per_query import Outcome, outcome
from alignment.panel import strength_of
from alignment.spans.tracker import SpanRule, SpanTracker
from alignment.types import F32, SOUND_CLASSES, EventQuery, FeatureWindow, ScoreTrack
from alignment.vectors import unit_rows
from workers.encoders.names import KnownNames

Embed = Callable[[Sequence[str]], F32]
RULE = SpanRule(enter=0.6, exit=0.42, min_duration_s=2.0)  # the daemon's


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where a space has its pictures and texts: mean cosines, and the share of a picture that its content is."""

    text_text: float
    frame_frame: float
    other: float  # cosine of a picture with a text that it does not show
    content: float  # 0..1; the rest of a picture's own part is noise
    width: int = 512


# Medians of true pairs on streams of seed 101, pictures made of names: 0.29, 0.26, 0.15 and 0.13.
CLIP_29 = Geometry(text_text=0.66, frame_frame=0.79, other=0.19, content=0.54)
CLIP_26 = Geometry(text_text=0.66, frame_frame=0.79, other=0.17, content=0.49)
SIGLIP = Geometry(text_text=0.66, frame_frame=0.60, other=0.04, content=0.43)
WEAK = Geometry(text_text=0.66, frame_frame=0.60, other=0.05, content=0.31)


class Cones:
    """A space of two cones over unit rows f32[N, D] of content, for example centred sentences."""

    def __init__(self, geometry: Geometry, width: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        basis = np.linalg.qr(rng.normal(size=(geometry.width, width + 2)))[0].T.astype(np.float32)
        self._g, self._basis, self._rng = geometry, basis[2:], rng
        cosine = geometry.other / np.sqrt(geometry.text_text * geometry.frame_frame)
        self._text_mean = basis[0]
        self._frame_mean = cosine * basis[0] + np.sqrt(1 - cosine**2) * basis[1]

    def texts(self, content: F32) -> F32:
        """Return texts f32[N, width]."""
        return _cone(self._text_mean, content @ self._basis, self._g.text_text)

    def frames(self, content: F32) -> F32:
        """Return pictures f32[N, width]; every call draws other noise."""
        noise = unit_rows(self._rng.normal(size=(len(content), self._g.width)))
        own = self._g.content * content @ self._basis + np.sqrt(1 - self._g.content**2) * noise
        return _cone(self._frame_mean, own, self._g.frame_frame)


def _cone(mean: F32, rows: F32, cosine: float) -> F32:
    return unit_rows(np.sqrt(cosine) * mean + np.sqrt(1 - cosine) * rows)


class SpaceEncoder:
    """The text side of a profile in a made space, as ``TwoTowerEncoder`` has it.

    ``known`` f32[N, D] are the frames on which the space was measured when it was first used.
    """

    def __init__(self, embed: Embed, calibration: SimilarityCalibration, known: F32 | None = None) -> None:
        self.encode_text = self.encode_sentences = embed
        self._names = KnownNames(embed)
        self.vocabulary = self._names.rows
        strength = None if known is None else strength_of(known, self._names.rows)
        self.calibration = replace(calibration, text=self._names.curve, panel=self._names.rows, strength=strength)

    def likeness(self, texts: Sequence[str], rows: F32, told: bool = True) -> F32:
        """Return f32[K]: how alike each name and the nearest of ``texts`` are."""
        return self._names.likeness(texts, rows)


def shown(frames: F32, lead_s: float = 0.0) -> FeatureWindow:
    """Return frames f32[T, D], one a second, as silent clips that begin ``lead_s`` before their frame."""
    t = np.arange(len(frames), dtype=np.float64)
    none, tags = np.zeros((0, frames.shape[1]), np.float32), np.zeros((len(t), SOUND_CLASSES), np.float32)
    seen = np.ones(len(t), bool)
    bounds = np.stack([np.maximum(t - lead_s, 0), t + 1 - lead_s], 1)
    return FeatureWindow(bounds, frames, seen, none, np.zeros((0, 2)), tags, ~seen)


def decide(aligner: Aligner, window: FeatureWindow, asked: Sequence[tuple[EventQuery, Annotation]]) -> list[Outcome]:
    """Return the outcome of each question, by the daemon's rule."""
    tracks = aligner.begin([q for q, _ in asked]).score(window, 0) if asked else ()
    return [outcome(a, _spans(track)) for (_, a), track in zip(asked, tracks, strict=True)]


def _spans(track: ScoreTrack) -> list[ScoredWindow]:
    tracker = SpanTracker(track.event, RULE)
    changes = (*tracker.update(track, 0, len(track.p), float("inf")), *tracker.finish())
    return [(c.span.start, c.span.end, c.span.score) for c in changes if c.type == "new"]


@dataclass(frozen=True, slots=True)
class Figures:
    """F1 of events at a tIoU of 0.5, and false alerts an hour and question."""

    f1: float
    false_per_hour: float


def figures(outcomes: Iterable[Outcome]) -> Figures:
    """Return the figures of all outcomes together."""
    found = list(outcomes)
    hits = sum(len(o.matches[0.5]) for o in found)
    events = sum(len(o.windows) + len(o.annotation.windows) for o in found)
    hours = sum(o.annotation.duration for o in found) / 3600
    return Figures(2 * hits / max(events, 1), sum(o.false_alerts for o in found) / hours)
