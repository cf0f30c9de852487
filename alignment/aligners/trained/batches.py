"""Examples as tensors: inputs, outputs and targets of every trainable method.

B examples (one description on one window each), T clips, N description tokens, S utterances, M spoken tokens; shorter
ones are padded, and masks are True for real entries.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alignment.aligners.sounds import heard
from alignment.aligners.utterances import cover, passages
from alignment.calibration import SimilarityCalibration
from alignment.panel import COLUMNS, NETWORK, PanelReader
from alignment.types import F32, F64, Bools, EventQuery, FeatureWindow


class TokenKind(IntEnum):
    """The kind of a token of a description."""

    WHOLE = 0  # a whole paraphrase
    WORD = 1  # one word or phrase of it
    UNLIKE = 2  # a contrast


@dataclass(frozen=True, slots=True)
class Sample:
    """One description on one window; it is true in ``relevant`` f64[R, 2], stream seconds."""

    window: FeatureWindow
    query: EventQuery
    relevant: F64


@dataclass(frozen=True, slots=True)
class Tensors:
    """Base of dataclasses of tensors."""

    def to(self, device: torch.device | str) -> Self:
        """Return a copy on another device."""
        return type(self)(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


@dataclass(frozen=True, slots=True)
class Batch(Tensors):
    """The input of a method. Rows of embeddings have unit length; padding is zero."""

    frames: Tensor  # f32[B, T, D]
    frame_mask: Tensor  # bool[B, T]
    clip_mask: Tensor  # bool[B, T] True for real clips, with or without a frame
    tokens: Tensor  # f32[B, N, D] descriptions, words and contrasts in frame space
    token_mask: Tensor  # bool[B, N]
    token_kind: Tensor  # int64[B, N] of ``TokenKind``
    token_like: Tensor  # f32[B, N] cosine of a token with the nearest whole description
    vocabulary: Tensor  # f32[K, D] the encoder's vocabulary of names; zero if it has none
    likeness: Tensor  # f32[B, K] highest cosine of each name with any paraphrase
    panel: Tensor  # bool[B] True where cosines with frames are read as z-scores against the vocabulary
    scales: Tensor  # f32[B, T, 3] scale of these z-scores; zero without a panel
    utterances: Tensor  # f32[B, S, D'] in any order
    utterance_mask: Tensor  # bool[B, S]
    passages: Tensor  # f32[B, S, D'] mean direction of the passage around each utterance
    covers: Tensor  # bool[B, T, S] True where an utterance is spoken during a clip
    said: Tensor  # f32[B, M, D'] descriptions, words and contrasts in sentence space
    said_mask: Tensor  # bool[B, M]
    said_kind: Tensor  # int64[B, M] of ``TokenKind``
    said_like: Tensor  # f32[B, M] cosine of a token with the nearest whole description
    sound: Tensor  # f32[B, T] probability of the described sound event
    sound_mask: Tensor  # bool[B, T] True if audio was analysed and the description has a sound event
    prior: Tensor  # f32[B, 3] belief in each of MODALITIES
    curves: Tensor  # f32[B, 3, 2] scale and midpoint of the encoder's calibration of vision, speech and texts


@dataclass(frozen=True, slots=True)
class Targets(Tensors):
    """The targets. ``offsets`` count clips from a clip's middle to its window's start and end; 0 outside."""

    foreground: Tensor  # f32[B, T] share of the clip that is inside a window, 0..1
    offsets: Tensor  # f32[B, T, 2]
    clip_mask: Tensor  # bool[B, T]


@dataclass(frozen=True, slots=True)
class Outputs(Tensors):
    """The outputs of a method."""

    foreground: Tensor  # f32[B, T] logits
    offsets: Tensor  # f32[B, T, 2] clips from the clip's middle to start and end, >= 0
    saliency: Tensor  # f32[B, T] how well a clip represents the description, unbounded
    shares: Tensor  # f32[B, T, 3] modality shares, rows sum to 1
    attention: Tensor  # f32[B, T, N] over tokens, rows sum to 1 (0 without a frame)


def collate(samples: Sequence[Sample], calibration: SimilarityCalibration) -> tuple[Batch, Targets]:
    """Return the samples as one padded batch with its targets."""
    return make_batch([(s.window, s.query) for s in samples], calibration), _targets(samples)


def make_batch(pairs: Sequence[tuple[FeatureWindow, EventQuery]], calibration: SimilarityCalibration) -> Batch:
    """Return the windows and their descriptions as one padded batch. Rows that are not finite count as absent."""
    windows, queries = [w for w, _ in pairs], [q for _, q in pairs]
    return Batch(**observe(windows, calibration), **describe(queries, calibration), **listen(windows, queries))


def observe(windows: Sequence[FeatureWindow], calibration: SimilarityCalibration) -> dict[str, Tensor]:
    """Return the fields of a ``Batch`` that depend on windows."""
    frames, frame_mask = _clean([w.frames for w in windows], [w.frame_mask for w in windows])
    utterances, utterance_mask = _clean([w.speech for w in windows], None)
    spoken = zip(utterances.numpy(), windows, strict=True)
    frames, scales = _read(frames, frame_mask, calibration)
    return {
        "frames": frames,
        "frame_mask": frame_mask,
        "scales": scales,
        "clip_mask": _pad([np.ones(len(w.bounds), bool) for w in windows]),
        "utterances": utterances,
        "utterance_mask": utterance_mask,
        "passages": _pad([passages(rows[: len(w.speech)], w.speech_t) for rows, w in spoken]),
        "covers": _pad([cover(w.bounds, w.speech_t) for w in windows]),
    }


def _read(frames: Tensor, mask: Tensor, calibration: SimilarityCalibration) -> tuple[Tensor, Tensor]:
    """Return the frames and their scales, as ``PanelReader`` has them; zero scales without a panel."""
    if not len(calibration.panel):
        return frames, torch.zeros(*mask.shape, COLUMNS)
    found = [
        PanelReader(calibration.panel, calibration.strength)(*x) for x in zip(frames.numpy(), mask.numpy(), strict=True)
    ]
    read, scales = (torch.from_numpy(np.stack(x)) for x in zip(*found, strict=True))
    return read, scales


def describe(queries: Sequence[EventQuery], calibration: SimilarityCalibration) -> dict[str, Tensor]:
    """Return the fields of a ``Batch`` that depend on descriptions."""
    tokens, token_mask, token_kind, token_like = _described(
        [_seen(q) for q in queries], max(q.vision.shape[1] for q in queries)
    )
    said, said_mask, said_kind, said_like = _described(
        [_said(q) for q in queries], max(q.speech.shape[1] for q in queries)
    )
    panel = bool(len(calibration.panel))
    vision = NETWORK if panel else calibration.vision
    curves = [[c.scale, c.midpoint] for c in (vision, calibration.speech, calibration.text)]
    names = np.require(
        calibration.panel if panel else queries[0].vocabulary, requirements="W"
    )  # not copied, unless it is read-only
    return {
        "tokens": tokens,
        "token_mask": token_mask,
        "token_kind": token_kind,
        "token_like": token_like,
        "vocabulary": torch.from_numpy(names) if len(names) else torch.zeros_like(tokens[0, :1]),
        "likeness": _pad([q.likeness for q in queries]),
        "panel": torch.full((len(queries),), panel),
        "said": said,
        "said_mask": said_mask,
        "said_kind": said_kind,
        "said_like": said_like,
        "prior": torch.from_numpy(np.stack([q.prior for q in queries]).astype(np.float32)),
        "curves": torch.tensor(curves).expand(len(queries), 3, 2),
    }


_Part = tuple[TokenKind, F32, F32]  # rows of one kind, and their similarity to the whole


def _seen(q: EventQuery) -> list[_Part]:
    return _compared(q.vision, q.vision_words, q.vision_unlike)


def _said(q: EventQuery) -> list[_Part]:
    return _compared(q.speech, q.speech_words, q.speech_unlike)


def _compared(whole: F32, words: F32, unlike: F32) -> list[_Part]:
    parts = ((TokenKind.WHOLE, whole), (TokenKind.WORD, words), (TokenKind.UNLIKE, unlike))
    return [(kind, rows, (rows @ whole.T).max(axis=1)) for kind, rows in parts if len(rows) and len(whole)]


def _described(described: Sequence[list[_Part]], width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return rows, mask, kinds and similarity of all tokens."""
    none = np.zeros((0, width), np.float32)
    rows = [np.concatenate([none, *(r for _, r, _ in parts if len(r))]) for parts in described]
    kinds = [np.array([k for k, r, _ in parts for _ in r], np.int64) for parts in described]
    like = [np.concatenate([none[:, 0], *(x for _, _, x in parts)]).astype(np.float32) for parts in described]
    return _pad(rows), _pad([np.ones(len(x), bool) for x in rows]), _pad(kinds), _pad(like)


def _clean(rows: Sequence[F32], masks: Sequence[Bools] | None) -> tuple[Tensor, Tensor]:
    """Return the padded rows, and a mask of those that are finite and not masked."""
    real = [np.asarray(np.isfinite(x).all(axis=1)) for x in rows]
    if masks is not None:
        real = [np.asarray(r & m) for r, m in zip(real, masks, strict=True)]
    return _pad([np.where(r[:, None], x, 0).astype(np.float32) for r, x in zip(real, rows, strict=True)]), _pad(real)


def listen(windows: Sequence[FeatureWindow], queries: Sequence[EventQuery]) -> dict[str, Tensor]:
    """Return the sound fields of a ``Batch``; ``windows`` is one for all descriptions, or one per description."""
    every = list(windows) * (len(queries) if len(windows) == 1 else 1)
    present = [w.sound_mask & np.isfinite(w.sound).all(axis=1) for w in every]
    best = [
        heard(np.where(p[:, None], w.sound, np.float32(0)), [q.sound])[0]
        for w, q, p in zip(every, queries, present, strict=True)
    ]
    masks = [p & q.sound.any() for p, q in zip(present, queries, strict=True)]
    return {"sound": _pad(best), "sound_mask": _pad(masks)}


def _targets(samples: Sequence[Sample]) -> Targets:
    inside, offsets = zip(*(_truth(s.window.bounds, s.relevant) for s in samples), strict=True)
    masks = [np.ones(len(s.window.bounds), bool) for s in samples]
    return Targets(_pad(inside), _pad(offsets), _pad(masks))


def _truth(bounds: F64, relevant: F64) -> tuple[F32, F32]:
    """Return the relevant share of each clip f32[T], and its offsets in clips f32[T, 2]."""
    length = np.maximum(bounds[:, 1] - bounds[:, 0], 1e-9)
    share, offsets = np.zeros(len(bounds), np.float32), np.zeros((len(bounds), 2), np.float32)
    hop = float(np.median(length)) if len(length) else 1.0
    for start, end in relevant:
        inside = np.clip(np.minimum(bounds[:, 1], end) - np.maximum(bounds[:, 0], start), 0, None) / length
        share = np.maximum(share, inside).astype(np.float32)
        middle, here = bounds.mean(axis=1), inside >= 0.5
        reach = np.maximum(np.stack([middle - start, end - middle], axis=1), 0) / hop
        offsets[here] = reach[here]
    return share, offsets


def _pad(arrays: Sequence[NDArray[Any]]) -> Tensor:
    """Stack arrays of equal rank, each axis padded with zeros to the longest, at least 1, which softmax needs."""
    shape = np.max([a.shape for a in arrays], axis=0).clip(1)
    out = np.zeros((len(arrays), *shape), arrays[0].dtype)
    for i, a in enumerate(arrays):
        place: tuple[int | slice, ...] = (i, *(slice(n) for n in a.shape))
        out[place] = a
    return torch.from_numpy(out)
