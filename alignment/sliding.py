"""The trained aligner's half beside the stream: what to ask the network when a window slides, and what it makes of it.

A clip's score is final once its lookahead is there. So at a hop only the new clips and the provisional ones before
them are asked for; what is said is asked for when it changed. No torch: the network may run in another process.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from alignment.bounds import word_bounds
from alignment.calibration import Platt, Rates
from alignment.covering import cover
from alignment.types import F32, F64, MODALITIES, Bools, EventQuery, FeatureWindow, ScoreTrack

SPEECH = MODALITIES.index("speech")
CERTAIN = Platt(1.0, 0.0)  # logits


@dataclass(frozen=True, slots=True)
class Traits:
    """What the half beside the stream must know of a network; ``sound`` turns a tag's probability into an event's."""

    name: str
    lookahead: int
    rates: Rates
    sound: Platt


@dataclass(frozen=True, slots=True)
class Unread:
    """What to read: clips from number ``at`` on, and with ``speech`` all that is said. Rows are finite, absent ones 0.

    Frames f32[T, D], mask bool[T], speech f32[S, D'], speech_t f64[S, 2] stream seconds.
    """

    at: int
    frames: F32
    mask: Bools
    speech: F32 | None = None
    speech_t: F64 | None = None

    def since(self, first: int) -> "Unread":
        """Return it without the clips before number ``first``."""
        begin = first - self.at
        return replace(self, at=first, frames=self.frames[begin:], mask=self.mask[begin:])


@dataclass(frozen=True, slots=True)
class Logits:
    """The network's answer: ``seen`` f32[Q, T], ``said`` f32[Q, S] where it was asked for."""

    seen: F32
    said: F32 | None = None


class Network(Protocol):
    """One window's share of a network, wherever that runs."""

    def read(self, window: Unread, first: int) -> Logits:
        """Return the logits of the clips from number ``first`` on; ``window`` has those before it too, if forgotten."""
        ...


class SlidingScorer:
    """Scores one sliding window by a network that remembers what it has read of it."""

    def __init__(self, queries: Sequence[EventQuery], network: Network, traits: Traits) -> None:
        self._queries, self._network, self._traits = queries, network, traits
        if queries:
            self._prior = np.stack([q.prior for q in queries]).astype(np.float32)  # [Q, 3]
            self._asked = np.stack([q.sound for q in queries]).astype(np.float32)  # [Q, K]
        self._first = 0  # number of the first clip in ``_seen``
        self._seen = np.zeros((len(queries), 0), np.float32)  # logits of the window's clips
        self._real: Bools = np.zeros(0, bool)  # which of them had frames
        self._said = np.zeros((len(queries), 0), np.float32)  # logits of the utterances at ``_said_t``
        self._said_t = np.zeros((0, 2))

    def score(self, window: FeatureWindow, first: int) -> tuple[ScoreTrack, ...]:
        """Return one track a query, in order; raise ``FeatureError`` where widths differ. Infinite rows are absent."""
        if not self._queries:
            return ()
        real, spoken = _finite(window.frames) & window.frame_mask, _finite(window.speech)
        self._read(window, first, real, spoken)
        covers = cover(window.bounds, window.speech_t) & spoken  # [T, S]
        said = CERTAIN(self._said) * self._prior[:, SPEECH, None]  # [Q, S]
        parts = np.stack([np.where(real, CERTAIN(self._seen), 0), _on_clips(said, covers), self._heard(window)], -1)
        parts[..., (0, 2)] *= self._prior[:, None, (0, 2)]  # [Q, T, 3]
        p = 1 - (1 - parts).prod(-1)
        weight = parts + 1e-6 * self._prior[:, None] + 1e-12
        shares = weight / weight.sum(-1, keepdims=True)
        bounds = word_bounds(window.bounds, window.speech_t, covers, said.T, parts.transpose(1, 0, 2))
        return tuple(ScoreTrack(q.event, p[i], bounds[:, i], shares[i]) for i, q in enumerate(self._queries))

    def _read(self, window: FeatureWindow, first: int, real: Bools, spoken: Bools) -> None:
        """Ask for the logits of what is new."""
        keep, begin = self._known(first, real), first - self._first
        whole = Unread(first, np.where(real[:, None], window.frames, 0).astype(np.float32), real)
        if not np.array_equal(window.speech_t, self._said_t):
            rows = np.where(spoken[:, None], window.speech, 0).astype(np.float32)
            whole = replace(whole, speech=rows, speech_t=window.speech_t)
        found = self._network.read(whole, first + keep)
        self._seen = np.concatenate([self._seen[:, begin : begin + keep], found.seen], 1)
        self._first, self._real = first, real
        if found.said is not None:
            self._said, self._said_t = found.said, window.speech_t

    def _known(self, first: int, real: Bools) -> int:
        """Return how many of the window's clips are final: up to the lookahead, or to a frame that came late."""
        before = self._real[first - self._first :]
        final = max(0, len(before) - self._traits.lookahead)
        late = np.flatnonzero(before != real[: len(before)])
        return max(0, min(final, int(late[0]) - self._traits.lookahead)) if len(late) else final

    def _heard(self, window: FeatureWindow) -> F32:
        """Return f32[Q, T]: the probability of the sounds that are asked for."""
        present = window.sound_mask & _finite(window.sound)
        tags = np.where(present[:, None], window.sound, 0).astype(np.float32)
        sound = (tags * self._asked[:, None]).max(-1)
        return np.where(present & (self._asked > 0).any(-1, keepdims=True), self._traits.sound(sound), 0)


def _finite(rows: F32) -> Bools:
    return np.asarray(np.isfinite(rows).all(axis=1))


def _on_clips(said: F32, covers: Bools) -> F32:
    """Return f32[Q, T]: the highest probability among the utterances f32[Q, S] that cover each clip, bool[T, S]."""
    return np.asarray(np.where(covers, said[:, None], 0).max(-1, initial=0), np.float32)
