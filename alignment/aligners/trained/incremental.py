"""Incremental scoring: the trained aligner's part in the stream process, without torch.

The network may run in another process. A clip's score is final when its lookahead has arrived, so each hop requests
only the new clips and the provisional ones before them; utterances are requested when they changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from alignment.aligners.objects import ObjectSigns
from alignment.aligners.sounds import heard
from alignment.aligners.steady import SteadyScores
from alignment.aligners.utterances import cover, word_bounds
from alignment.calibration import Platt, Rates
from alignment.types import F32, F64, MODALITIES, Bools, EventQuery, FeatureWindow, ScoreTrack

SPEECH = MODALITIES.index("speech")
CERTAIN = Platt(1.0, 0.0)  # logits


@dataclass(frozen=True, slots=True)
class AlignerInfo:
    """Properties of a trained aligner; ``sound`` maps the weighted probability of a sound to an event's."""

    name: str
    lookahead: int
    rates: Rates
    sound: Platt


@dataclass(frozen=True, slots=True)
class WindowDelta:
    """New input of a window: clips from number ``at`` on, and optionally all utterances. Missing rows are 0.

    Frames f32[T, D], mask bool[T], speech f32[S, D'], speech_t f64[S, 2] stream seconds.
    """

    at: int
    frames: F32
    mask: Bools
    speech: F32 | None = None
    speech_t: F64 | None = None

    def since(self, first: int) -> "WindowDelta":
        """Return a copy without the clips before number ``first``."""
        begin = first - self.at
        return replace(self, at=first, frames=self.frames[begin:], mask=self.mask[begin:])


@dataclass(frozen=True, slots=True)
class Logits:
    """Output of the network: ``seen`` f32[Q, T] of clips, ``said`` f32[Q, S] of utterances if they were sent."""

    seen: F32
    said: F32 | None = None


class Network(Protocol):
    """The network's session of one window, in this process or another."""

    def read(self, window: WindowDelta, first: int) -> Logits:
        """Return the logits of the clips from number ``first`` on; a new session also reads the earlier ones."""
        ...


class SlidingScorer:
    """Scores one sliding window by a network that caches what it has read."""

    def __init__(self, queries: Sequence[EventQuery], network: Network, info: AlignerInfo) -> None:
        self._queries, self._network, self._info = queries, network, info
        self._signs, self._steady = ObjectSigns(queries), SteadyScores()
        self._by_look = [i for i, q in enumerate(queries) if not any(q.objects)]  # no detector has a say
        if queries:
            self._prior = np.stack([q.prior for q in queries]).astype(np.float32)  # [Q, 3]
            self._sounds = [q.sound for q in queries]
            self._listens = np.array([q.sound.any() for q in queries])[:, None]  # [Q, 1]
        self._first = 0  # number of the first clip in ``_seen``
        self._seen = np.zeros((len(queries), 0), np.float32)  # logits of the window's clips
        self._real: Bools = np.zeros(0, bool)  # which of them had frames
        self._said = np.zeros((len(queries), 0), np.float32)  # logits of the utterances at ``_said_t``
        self._said_t = np.zeros((0, 2))

    def score(self, window: FeatureWindow, first: int) -> tuple[ScoreTrack, ...]:
        """Return one track per query; raise ``FeatureError`` if widths differ. Infinite rows count as missing."""
        if not self._queries:
            return ()
        real, spoken = _finite(window.frames) & window.frame_mask, _finite(window.speech)
        known = self._read(window, first, real, spoken)
        covers = cover(window.bounds, window.speech_t) & spoken  # [T, S]
        said = CERTAIN(self._said) * self._prior[:, SPEECH, None]  # [Q, S]
        seen = np.where(real, CERTAIN(self._seen), 0)  # [Q, T]
        seen[self._by_look] = self._steady.hold(seen[self._by_look], window.frames, real, first, known)
        seen = self._signs.join(seen.T, window, first).T
        parts = np.stack([seen, _on_clips(said, covers), self._heard(window)], -1)
        parts[..., (0, 2)] *= self._prior[:, None, (0, 2)]  # [Q, T, 3]
        p = 1 - (1 - parts).prod(-1)
        weight = parts + 1e-6 * self._prior[:, None] + 1e-12
        shares = weight / weight.sum(-1, keepdims=True)
        bounds = word_bounds(window.bounds, window.speech_t, covers, said.T, parts.transpose(1, 0, 2))
        return tuple(ScoreTrack(q.event, p[i], bounds[:, i], shares[i]) for i, q in enumerate(self._queries))

    def _read(self, window: FeatureWindow, first: int, real: Bools, spoken: Bools) -> int:
        """Request the logits of new clips and changed utterances; return of how many clips they were known."""
        keep, begin = self._known(first, real), first - self._first
        whole = WindowDelta(first, np.where(real[:, None], window.frames, 0).astype(np.float32), real)
        if not np.array_equal(window.speech_t, self._said_t):
            rows = np.where(spoken[:, None], window.speech, 0).astype(np.float32)
            whole = replace(whole, speech=rows, speech_t=window.speech_t)
        found = self._network.read(whole, first + keep)
        self._seen = np.concatenate([self._seen[:, begin : begin + keep], found.seen], 1)
        self._first, self._real = first, real
        if found.said is not None:
            self._said, self._said_t = found.said, window.speech_t
        return keep

    def _known(self, first: int, real: Bools) -> int:
        """Return how many of the window's clips are final: those before the lookahead and before any late frame."""
        before = self._real[first - self._first :]
        final = max(0, len(before) - self._info.lookahead)
        late = np.flatnonzero(before != real[: len(before)])
        return max(0, min(final, int(late[0]) - self._info.lookahead)) if len(late) else final

    def _heard(self, window: FeatureWindow) -> F32:
        """Return f32[Q, T]: the probability of each query's sound events."""
        present = window.sound_mask & _finite(window.sound)
        sound = heard(np.where(present[:, None], window.sound, np.float32(0)), self._sounds)
        return np.where(present & self._listens, self._info.sound(sound), 0)


def _finite(rows: F32) -> Bools:
    return np.asarray(np.isfinite(rows).all(axis=1))


def _on_clips(said: F32, covers: Bools) -> F32:
    """Return f32[Q, T]: the highest probability among the utterances f32[Q, S] that cover each clip, bool[T, S]."""
    return np.asarray(np.where(covers, said[:, None], 0).max(-1, initial=0), np.float32)
