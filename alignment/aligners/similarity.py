"""The baseline aligner: calibrated cosines per modality, combined by noisy-or.

Frames are compared clip by clip and smoothed over three clips. Utterances are compared one by one, so that spans of
speech start and end with the words and not on the sampling grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignment.aligners.objects import ObjectSigns
from alignment.aligners.sounds import heard
from alignment.aligners.utterances import PASSAGE_HELP, PASSAGE_WEIGHT, cover, passages, word_bounds
from alignment.aligners.word_attention import word_attention
from alignment.calibration import (
    SIMILARITY_FALSE_ALERTS_ON_PANEL,
    SIMILARITY_STRAYS_PER_HOUR,
    Platt,
    SimilarityCalibration,
)
from alignment.errors import FeatureError
from alignment.panel import SIMILARITY, PanelReader, z_scores
from alignment.types import F32, F64, Bools, EventQuery, FeatureWindow, ScoreTrack

NEVER = -1e3  # a score below any cosine, for queries without rows


@dataclass(frozen=True, slots=True)
class _Spoken:
    """Utterances on the clips. ``embed`` and ``passage`` f32[S, D'], ``t`` f64[S, 2], ``covers`` bool[T, S]."""

    embed: F32
    passage: F32
    t: F64
    covers: Bools


@dataclass(frozen=True, slots=True)
class Memory:
    """What windows leave to later ones of their stream: which objects were shown, and the scale of z-scores."""

    signs: ObjectSigns
    reader: PanelReader | None


class SimilarityAligner:
    """Scores windows by cosine similarity. Stateless: one instance serves any number of streams and threads."""

    name = "similarity"
    lookahead = 1
    rates = SIMILARITY_STRAYS_PER_HOUR

    def __init__(self, calibration: SimilarityCalibration) -> None:
        self._calibration = calibration
        if len(calibration.panel):
            self.rates = SIMILARITY_FALSE_ALERTS_ON_PANEL

    def begin(self, queries: Sequence[EventQuery]) -> "SimilarityScorer":
        """Return a scorer of a sliding window."""
        return SimilarityScorer(self, queries)

    def remember(self, queries: Sequence[EventQuery]) -> Memory:
        """Return the memory of a stream before its first window."""
        panel = self._calibration.panel
        return Memory(ObjectSigns(queries), PanelReader(panel, past=0) if len(panel) else None)

    def attend(self, window: FeatureWindow, query: EventQuery) -> F32:
        """Return f32[T, W]: a softmax over the words of the similarity of each word alone to the clip."""
        return word_attention(window, query, self._calibration)

    def align(
        self, window: FeatureWindow, queries: Sequence[EventQuery], memory: Memory | None = None, first: int = 0
    ) -> tuple[ScoreTrack, ...]:
        """Return one track per query, in order; raise ``FeatureError`` if widths differ.

        ``memory`` is what earlier windows of the stream left, ``first`` the number of this one's first clip.

        Rows that are not finite count as missing. 100 queries over 75 clips of 512 numbers take a few milliseconds.
        """
        if not queries:
            return ()
        spoken = _spoken(window)
        prior = np.stack([q.prior for q in queries]).astype(np.float32)  # [Q, 3]
        said = self._said(spoken, queries) * prior[:, 1]  # [S, Q]
        memory = memory or self.remember(queries)
        seen = memory.signs.join(self._seen(window, queries, memory.reader, first), window, first) * prior[:, 0]
        heard = self._heard(window, queries) * prior[:, 2]
        parts = np.stack([seen, _on_clips(said, spoken), heard], axis=-1)  # [T, Q, 3]
        p = (1.0 - np.prod(1.0 - parts, axis=-1)).astype(np.float32)
        shares = _shares(parts, prior)
        bounds = word_bounds(window.bounds, spoken.t, spoken.covers, said, parts)
        return tuple(ScoreTrack(q.event, p[:, i], bounds[:, i], shares[:, i]) for i, q in enumerate(queries))

    def _seen(
        self, window: FeatureWindow, queries: Sequence[EventQuery], reader: PanelReader | None, first: int
    ) -> F32:
        """Return f32[T, Q]: the probability by frames, 0 for clips without a frame."""
        present = window.frame_mask & np.isfinite(window.frames).all(axis=1)
        frames = np.where(present[:, None], window.frames, 0.0).astype(np.float32)
        wanted, unwanted = _best(frames, [q.vision for q in queries]), _best(frames, [q.vision_unlike for q in queries])
        curve, choice = self._calibration.vision, self._calibration.contrast
        if reader is not None:
            curve, choice = SIMILARITY, SIMILARITY.scale
            _, scales = reader(frames, present, first)
            wanted, unwanted = z_scores(wanted, scales), z_scores(unwanted, scales)
        p = _probability(curve, choice, _smooth(wanted, present), _smooth(unwanted, present))
        return np.where(present[:, None], p, 0.0)

    def _said(self, spoken: _Spoken, queries: Sequence[EventQuery]) -> F32:
        """Return f32[S, Q]: the probability by each utterance and its passage."""
        wanted = _in_passage(spoken, [q.speech for q in queries])
        unwanted = _in_passage(spoken, [q.speech_unlike for q in queries])
        return _probability(self._calibration.speech, self._calibration.contrast, wanted, unwanted)

    def _heard(self, window: FeatureWindow, queries: Sequence[EventQuery]) -> F32:
        """Return f32[T, Q]: the probability by sound events, 0 where no class of sound fits the description."""
        present = window.sound_mask & np.isfinite(window.sound).all(axis=1)
        best = heard(np.where(present[:, None], window.sound, np.float32(0)), [q.sound for q in queries]).T
        possible = present[:, None] & np.array([q.sound.any() for q in queries])
        return np.asarray(np.where(possible, self._calibration.sound(best), 0.0), np.float32)


class SimilarityScorer:
    """The similarity aligner with its queries; between windows it keeps only what ``Memory`` has."""

    def __init__(self, aligner: SimilarityAligner, queries: Sequence[EventQuery]) -> None:
        self._aligner, self._queries, self._memory = aligner, queries, aligner.remember(queries)

    def score(self, window: FeatureWindow, first: int) -> tuple[ScoreTrack, ...]:
        """Return one track per query, in order."""
        return self._aligner.align(window, self._queries, self._memory, first)


def _probability(curve: Platt, contrast: float, wanted: F32, unwanted: F32) -> F32:
    """Return calibrated scores, times the probability that the description fits better than its best contrast."""
    return curve(wanted) * Platt(contrast, 0.0)(wanted - unwanted)


def _best(rows: F32, texts: Sequence[F32]) -> F32:
    """Return f32[N, Q]: each row's highest cosine with any of a query's texts, ``NEVER`` for a query without."""
    width = rows.shape[1]
    for text in texts:
        if text.size and text.shape[1] != width:
            raise FeatureError(
                f"descriptions have {text.shape[1]} numbers, features {width}", "embed both with one encoder"
            )
    out = np.full((len(rows), len(texts)), NEVER, np.float32)
    used = [i for i, text in enumerate(texts) if len(text)]
    if used and len(rows):
        starts = np.cumsum([0] + [len(texts[i]) for i in used[:-1]])
        scores = rows @ np.concatenate([texts[i] for i in used]).astype(np.float32).T
        out[:, used] = np.maximum.reduceat(scores, starts, axis=1)
    return out


def _smooth(x: F32, present: Bools) -> F32:
    """Return the mean over each clip and its two neighbours, as far as they are present. x f32[T, Q]."""
    weight = np.pad(present.astype(np.float32), 1)
    padded = np.pad(np.where(present[:, None], x, 0.0), ((1, 1), (0, 0)))
    total = padded[:-2] + padded[1:-1] + padded[2:]
    count = weight[:-2] + weight[1:-1] + weight[2:]
    return np.asarray(total / np.maximum(count, 1.0)[:, None], np.float32)


def _spoken(window: FeatureWindow) -> _Spoken:
    """Return the window's usable utterances in order of time, with their passages and the clips they cover."""
    usable = np.flatnonzero(np.isfinite(window.speech).all(axis=1) & np.isfinite(window.speech_t).all(axis=1))
    order = usable[np.argsort(window.speech_t[usable, 0], kind="stable")]
    embed, t = window.speech[order].astype(np.float32), window.speech_t[order]
    return _Spoken(embed, passages(embed, t), t, cover(window.bounds, t))


def _in_passage(spoken: _Spoken, texts: Sequence[F32]) -> F32:
    """Return f32[S, Q]: each utterance's cosine, raised by at most ``PASSAGE_HELP`` if its passage fits better."""
    own, passage = _best(spoken.embed, texts), _best(spoken.passage, texts)
    return np.asarray(own + np.clip(PASSAGE_WEIGHT * (passage - own), 0.0, PASSAGE_HELP), np.float32)


def _on_clips(said: F32, spoken: _Spoken) -> F32:
    """Return f32[T, Q]: the highest probability among the utterances that cover each clip."""
    if not len(said):
        return np.zeros((len(spoken.covers), said.shape[1]), np.float32)
    return np.asarray(np.where(spoken.covers[:, :, None], said[None], 0.0).max(axis=1), np.float32)


def _shares(parts: F32, prior: F32) -> F32:
    """Return f32[T, Q, 3]: each modality's part in the score; where nothing scores, its part in the prior."""
    total = parts.sum(axis=-1, keepdims=True)
    fallback = prior / np.maximum(prior.sum(axis=-1, keepdims=True), 1e-9)
    return np.asarray(np.where(total > 1e-6, parts / np.maximum(total, 1e-6), fallback[None]), np.float32)
