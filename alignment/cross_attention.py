"""The cross-attention aligner: the trained network over one sliding window, remembering what it has read.

What a clip is to a description depends on earlier clips and on one later one. So at a hop only the new clip and the
one before it are computed; of all others the keys, values and scores are kept. What is said arrives late and is
little: it is read anew each time.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from alignment.batches import Batch, TokenKind, describe, listen, make_batch, observe
from alignment.bounds import word_bounds
from alignment.calibration import Rates, SimilarityCalibration
from alignment.errors import FeatureError
from alignment.model import LOOKAHEAD, CrossAttention
from alignment.types import F32, SOUND_TAGS, EventQuery, FeatureWindow, ScoreTrack

VISION, SPEECH = 0, 1

# As the table of `similarity`, on the same 50 streams, by a training like the shipped one's (the same seed, an older
# class table); recall falls from 0.86 to 0.49.
STRAY_ALERTS_PER_HOUR: Rates = (
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


class CrossAttentionAligner:
    """Scores windows by a trained network. One instance may serve any number of streams and threads."""

    lookahead = LOOKAHEAD
    rates = STRAY_ALERTS_PER_HOUR

    def __init__(
        self, model: CrossAttention, calibration: SimilarityCalibration, name: str = "cross_attention"
    ) -> None:
        self.name = name
        self._model, self._calibration = model.eval(), calibration

    def begin(self, queries: Sequence[EventQuery]) -> "CrossAttentionScorer":
        """Return a scorer of a sliding window."""
        return CrossAttentionScorer(self._model, self._calibration, queries)

    @torch.inference_mode()
    def attend(self, window: FeatureWindow, query: EventQuery) -> F32:
        """Return f32[T, W]: the network's attention to each word, of what is seen and said by their shares."""
        batch, model = make_batch([(window, query)], self._calibration), self._model
        seen = model.see(batch, batch.frames, batch.frame_mask, model.describe_seen(batch))
        said = model.hear(batch, model.describe_said(batch))
        parts = model.parts(batch, seen.logit, said.logit)[0]
        words = torch.zeros(len(window.bounds), len(query.words))
        if len(query.vision_words):
            words += parts[:, VISION, None] * seen.attention[0][:, batch.token_kind[0] == TokenKind.WORD]
        if len(query.speech_words) and len(window.speech):
            best = torch.where(batch.covers[0], said.logit, -torch.inf).argmax(-1)  # the utterance that decides
            words += parts[:, SPEECH, None] * said.attention[0][best][:, batch.said_kind[0] == TokenKind.WORD]
        total = words.sum(-1, keepdim=True)
        return np.asarray(torch.where(total > 1e-9, words / total.clamp(min=1e-9), 0.0).numpy(), np.float32)


class CrossAttentionScorer:
    """Reads each clip of one sliding window once it has the context it needs."""

    def __init__(
        self, model: CrossAttention, calibration: SimilarityCalibration, queries: Sequence[EventQuery]
    ) -> None:
        self._model, self._queries = model, queries
        self._next = 0  # number of the first clip whose score is not final
        self._logits = torch.zeros(len(queries), 0)  # of the window's clips; the last LOOKAHEAD are provisional
        self._begin = 0  # number of the first clip in ``_logits``
        if queries:
            with torch.inference_mode():
                self._described = describe(queries, calibration)
                batch = Batch(**observe([_empty()]), **self._described, **listen([_empty()], queries))
                self._seen, self._said = model.describe_seen(batch), model.describe_said(batch)
                self._past = model.vision.nothing(len(queries), batch.tokens.shape[-1])

    @torch.inference_mode()
    def score(self, window: FeatureWindow, first: int) -> tuple[ScoreTrack, ...]:
        """Return one track a query, in order; raise ``FeatureError`` where widths differ."""
        if not self._queries:
            return ()
        self._check(window)
        batch = Batch(**observe([window]), **self._described, **listen([window], self._queries))
        self._read(batch, first)
        spoken = self._hear(batch)
        parts = self._model.parts(batch, self._logits, spoken)
        p = (1 - (1 - parts).prod(-1)).numpy()
        weight = parts + 1e-6 * batch.prior[:, None] + 1e-12
        shares = (weight / weight.sum(-1, True)).numpy()
        said = (spoken.sigmoid() * batch.prior[:, SPEECH, None]).numpy()[:, : len(window.speech)]
        covers = (batch.covers & batch.utterance_mask[:, None])[0, :, : len(window.speech)].numpy()
        bounds = word_bounds(window.bounds, window.speech_t, covers, said.T, parts.numpy().transpose(1, 0, 2))
        return tuple(ScoreTrack(q.event, p[i], bounds[:, i], shares[i]) for i, q in enumerate(self._queries))

    def _read(self, batch: Batch, first: int) -> None:
        """Score the clips from the first that is not final on, and keep what later ones need of them."""
        start = self._first_unread(batch.frame_mask[0], max(self._next, first) - first)
        past, clips = self._past, batch.frames.shape[1]
        past.keep(past.rows.shape[1] - (self._next - first - start), self._model.config.window)
        seen = self._model.see(batch, batch.frames[:, start:], batch.frame_mask[:, start:], self._seen, past)
        kept = self._logits[:, first - self._begin : first - self._begin + start]
        self._logits, self._begin = torch.cat([kept, seen.logit], 1), first
        self._next = first + max(start, clips - LOOKAHEAD)
        past.keep(past.rows.shape[1] - (first + clips - self._next), self._model.config.window)

    def _first_unread(self, mask: Tensor, start: int) -> int:
        """Return where to read on: at ``start``, or where a frame that came late changes what was read."""
        read = self._past.mask[0, -start:] if start else self._past.mask[0, :0]
        late = (read != mask[start - len(read) : start]).nonzero()
        return max(0, start - len(read) + int(late[0]) - LOOKAHEAD) if len(late) else start

    def _hear(self, batch: Batch) -> Tensor:
        """Return the logits of all utterances, f32[Q, S]."""
        return self._model.hear(batch, self._said).logit

    def _check(self, window: FeatureWindow) -> None:
        for kind, rows, described in (
            ("frames", window.frames, self._described["tokens"]),
            ("speech", window.speech, self._described["said"]),
        ):
            if len(rows) and bool(described.any()) and rows.shape[1] != described.shape[-1]:
                raise FeatureError(
                    f"descriptions have {described.shape[-1]} numbers, {kind} {rows.shape[1]}",
                    "embed both with one encoder",
                )


def _empty() -> FeatureWindow:
    none, tags = np.zeros((0, 1), np.float32), np.zeros((0, len(SOUND_TAGS)), np.float32)
    mask = np.zeros(0, bool)
    return FeatureWindow(np.zeros((0, 2)), none, mask, none, np.zeros((0, 2)), tags, mask)
