"""The cross-attention aligner: the trained network over sliding windows, with a key-value cache per window.

The score of a clip depends on earlier clips and on one later clip. So each hop computes only the new clip and the one
before it; for all other clips this module keeps keys and values, and the stream (``incremental``) keeps scores.
Utterances are few and arrive late: they are read again when they change. Windows of several cameras share a pass.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from alignment.aligners.trained.batches import Batch, TokenKind, describe, listen, make_batch, observe
from alignment.aligners.trained.incremental import AlignerInfo, Logits, SlidingScorer, WindowDelta
from alignment.aligners.trained.kv_cache import Past, Tokens
from alignment.aligners.trained.network import LOOKAHEAD, CrossAttention
from alignment.aligners.trained.whole import see_whole
from alignment.aligners.utterances import passages
from alignment.calibration import Platt, Rates, SimilarityCalibration
from alignment.errors import FeatureError
from alignment.panel import COLUMNS, reader_of
from alignment.types import F32, SOUND_CLASSES, Bools, EventQuery, FeatureWindow

VISION, SPEECH = 0, 1
TOGETHER = 128  # descriptions in one pass: with more, copying the caches costs what batching saves

# As the table of `similarity`, on the same 50 streams, by a training like the shipped one's (the same seed, an older
# class table); recall falls from 0.86 to 0.49.
CROSS_ATTENTION_STRAYS_PER_HOUR: Rates = (
    (0.3, 5.08),
    (0.4, 3.29),
    (0.5, 2.15),
    (0.6, 1.14),
    (0.7, 0.83),
    (0.8, 0.70),
    (0.9, 0.66),
    (0.95, 0.57),
    (0.98, 0.26),
)

# In the same eight spaces as ``SIMILARITY_FALSE_ALERTS_ON_PANEL``, with r as it is after minutes; recall falls from
# 0.84 to 0.50.
CROSS_ATTENTION_FALSE_ALERTS_ON_PANEL: Rates = (
    (0.3, 8.81),
    (0.4, 7.65),
    (0.5, 6.30),
    (0.6, 4.82),
    (0.7, 3.73),
    (0.8, 3.21),
    (0.9, 2.53),
    (0.95, 1.76),
    (0.98, 1.05),
)


class CrossAttentionAligner:
    """Scores windows by a trained network. One instance may serve any number of streams and threads."""

    lookahead = LOOKAHEAD
    rates = CROSS_ATTENTION_STRAYS_PER_HOUR

    def __init__(
        self, model: CrossAttention, calibration: SimilarityCalibration, name: str = "cross_attention"
    ) -> None:
        self.name = name
        if len(calibration.panel):
            self.rates = CROSS_ATTENTION_FALSE_ALERTS_ON_PANEL
        self.info = AlignerInfo(name, self.lookahead, self.rates, Platt(*model.sound.tolist()))
        self._model, self._calibration = model.eval(), calibration

    def begin(self, queries: Sequence[EventQuery]) -> SlidingScorer:
        """Return a scorer of a sliding window."""
        return SlidingScorer(queries, _Own(self, queries), self.info)

    def remember(self, queries: Sequence[EventQuery]) -> "Memory":
        """Return an empty cache for one window and its queries (at least one)."""
        return Memory(self._model, self._calibration, queries)

    @torch.inference_mode()
    def read(self, requests: Sequence[tuple["Memory", WindowDelta]]) -> list[Logits]:
        """Score requests of different windows of one encoder; requests with equally many clips share a pass."""
        seen: dict[int, F32] = {}
        for group in _groups(requests):
            seen |= zip(group, _see(self._model, [requests[i] for i in group]), strict=True)
        return [Logits(seen[i], _hear(self._model, *request)) for i, request in enumerate(requests)]

    def look(self, query: EventQuery, frames: F32, mask: Bools) -> F32:
        """Return the logits f32[T] of a sequence of clips f32[T, D], read at once; see ``see_whole``."""
        return see_whole(self._model, self.remember([query]).seen, frames, mask)

    @torch.inference_mode()
    def attend(self, window: FeatureWindow, query: EventQuery) -> F32:
        """Return f32[T, W]: the network's attention to each word, weighted by the shares of vision and speech."""
        batch, model = make_batch([(window, query)], self._calibration), self._model
        seen = model.see(batch.frames, batch.frame_mask, batch.scales, model.describe_seen(batch))
        said = model.hear(batch.utterances, batch.utterance_mask, batch.passages, model.describe_said(batch))
        parts = model.parts(batch, seen.logit, said.logit)[0]
        words = torch.zeros(len(window.bounds), len(query.words))
        if len(query.vision_words):
            words += parts[:, VISION, None] * seen.attention[0][:, batch.token_kind[0] == TokenKind.WORD]
        if len(query.speech_words) and len(window.speech):
            best = torch.where(batch.covers[0], said.logit, -torch.inf).argmax(-1)  # the utterance that decides
            words += parts[:, SPEECH, None] * said.attention[0][best][:, batch.said_kind[0] == TokenKind.WORD]
        total = words.sum(-1, keepdim=True)
        return np.asarray(torch.where(total > 1e-9, words / total.clamp(min=1e-9), 0.0).numpy(), np.float32)


class Memory:
    """The cache of one window: encoded descriptions, and keys and values of past clips."""

    @torch.inference_mode()
    def __init__(
        self, model: CrossAttention, calibration: SimilarityCalibration, queries: Sequence[EventQuery]
    ) -> None:
        nothing = observe([_empty()], replace(calibration, panel=calibration.panel[:0]))
        batch = Batch(**nothing, **describe(queries, calibration), **listen([_empty()], queries))
        self.seen, self.said = model.describe_seen(batch), model.describe_said(batch)
        self.descriptions = len(queries)
        self.past = model.vision.nothing(len(queries), batch.tokens.shape[-1])
        self._reader = reader_of(calibration)
        self._next = 0  # number of the clip after the last that is remembered
        self._window = model.config.window

    def rewind(self, at: int) -> None:
        """Drop the clips from number ``at`` on: they will be read again."""
        self.past.keep(self.past.mask.shape[1] - max(0, self._next - at), self._window)

    def frames(self, asked: WindowDelta) -> tuple[F32, F32]:
        """Return the frames of the clips and their scales, as ``PanelReader`` has them; zero scales without a panel."""
        if self._reader is None:
            return asked.frames, np.zeros((len(asked.mask), COLUMNS), np.float32)
        return self._reader(asked.frames, asked.mask, asked.at)

    def remember(self, past: Past, end: int) -> None:
        """Keep ``past`` up to clip number ``end``, without the provisional clips."""
        past.keep(past.mask.shape[1] - LOOKAHEAD, self._window)
        self.past, self._next = past, end - LOOKAHEAD

    def check(self, asked: WindowDelta) -> None:
        """Raise ``FeatureError`` where widths differ."""
        for kind, rows, described in (("frames", asked.frames, self.seen), ("speech", asked.speech, self.said)):
            width = described.rows.shape[-1]
            if rows is not None and len(rows) and bool(described.mask.any()) and rows.shape[1] != width:
                raise FeatureError(
                    f"descriptions have {width} numbers, {kind} {rows.shape[1]}", "embed both with one encoder"
                )


class _Own:
    """``Network`` of one window in the caller's thread."""

    def __init__(self, aligner: CrossAttentionAligner, queries: Sequence[EventQuery]) -> None:
        self._aligner = aligner
        self._memory = aligner.remember(queries) if queries else None

    def read(self, window: WindowDelta, first: int) -> Logits:
        """Return the network's logits."""
        assert self._memory is not None  # without queries nothing is requested
        self._memory.check(window)
        return self._aligner.read([(self._memory, window.since(first))])[0]


def _groups(requests: Sequence[tuple[Memory, WindowDelta]]) -> Iterator[list[int]]:
    """Yield the indices of requests that share a pass: equally many clips, at most ``TOGETHER`` descriptions."""
    clips = [len(asked.mask) for _, asked in requests]
    group: list[int] = []
    for i in sorted(range(len(requests)), key=lambda i: clips[i]):
        size = sum(requests[j][0].descriptions for j in [*group, i])
        if group and (clips[i] != clips[group[0]] or size > TOGETHER):
            yield group
            group = []
        group.append(i)
    yield group


def _see(model: CrossAttention, requests: Sequence[tuple[Memory, WindowDelta]]) -> list[F32]:
    """Return the logits f32[Q, T] of the clips of each, and remember them."""
    for memory, asked in requests:
        memory.rewind(asked.at)
    memories, sizes = [m for m, _ in requests], [m.descriptions for m, _ in requests]
    inputs = ((*m.frames(a), a.mask) for m, a in requests)
    frames, scales, mask = (torch.from_numpy(np.stack(x)) for x in zip(*inputs, strict=True))
    if len(requests) == 1:
        tokens, past, owner = memories[0].seen, memories[0].past, None
    else:
        tokens, past = Tokens.join([m.seen for m in memories]), Past.join([m.past for m in memories])
        owner = torch.repeat_interleave(torch.tensor(sizes))
    logits = model.see(frames, mask, scales, tokens, past, owner).logit.numpy()
    ends = np.cumsum(sizes)
    for i, (memory, asked) in enumerate(requests):
        clips = len(asked.mask)
        mine = slice(int(ends[i]) - sizes[i], int(ends[i]))
        part = past if owner is None else past.part(i, mine, memory.past.mask.shape[1] + clips)
        memory.remember(part, asked.at + clips)
    return np.split(logits, ends[:-1])


def _hear(model: CrossAttention, memory: Memory, asked: WindowDelta) -> F32 | None:
    """Return the logits f32[Q, S] of all utterances; None if they were not sent."""
    if asked.speech is None or asked.speech_t is None:
        return None
    if not len(asked.speech):
        return np.zeros((memory.descriptions, 0), np.float32)
    rows, passage = torch.tensor(asked.speech), torch.from_numpy(passages(asked.speech, asked.speech_t))
    mask = torch.ones(1, len(rows), dtype=torch.bool)
    found: F32 = model.hear(rows[None], mask, passage[None], memory.said).logit.numpy()
    return found


def _empty() -> FeatureWindow:
    none, tags = np.zeros((0, 1), np.float32), np.zeros((0, SOUND_CLASSES), np.float32)
    mask = np.zeros(0, bool)
    return FeatureWindow(np.zeros((0, 2)), none, mask, none, np.zeros((0, 2)), tags, mask)
