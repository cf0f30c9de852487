"""An aligner that remembers: the features of a whole stream and the final score of every clip, as another decides.

Windows slide and their latest clips change (a transcript comes late, a bound moves); what a clip was when its window
left it behind is what the decision was made on, and that is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignment.aligner import Aligner, Scorer
from alignment.calibration import SIMILARITY_STRAYS_PER_HOUR
from alignment.features import FeatureFile
from alignment.types import F32, EventQuery, FeatureWindow, ScoreTrack

PER_CLIP = ("bounds", "frames", "frame_mask", "sound", "sound_mask")


@dataclass(frozen=True, slots=True)
class Recording:
    """One video as it was decided on: its features, and by event the query and the final probability f32[T]."""

    features: FeatureFile
    queries: Mapping[str, EventQuery]
    scores: Mapping[str, F32]


class Silence:
    """An aligner to which nothing is probable: for streams that are only recorded."""

    name = "silence"
    lookahead = 0
    rates = SIMILARITY_STRAYS_PER_HOUR

    def begin(self, queries: Sequence[EventQuery]) -> "SilentScorer":
        """Return a scorer that answers 0."""
        return SilentScorer(tuple(q.event for q in queries))

    def attend(self, window: FeatureWindow, query: EventQuery) -> F32:
        """Return f32[T, W] of zeros."""
        return np.zeros((len(window.bounds), len(query.words)), np.float32)


@dataclass(frozen=True, slots=True)
class SilentScorer:
    """Answers 0 for every event."""

    events: tuple[str, ...]

    def score(self, window: FeatureWindow, first: int) -> tuple[ScoreTrack, ...]:
        """Return one track of zeros an event."""
        zeros = np.zeros(len(window.bounds), np.float32)
        shares = np.zeros((len(zeros), 3), np.float32)
        return tuple(ScoreTrack(event, zeros, window.bounds, shares) for event in self.events)


class Recorder:
    """Passes everything on to ``aligner`` and keeps what came and went. One stream, one thread."""

    def __init__(self, aligner: Aligner) -> None:
        self.name, self.lookahead, self.rates = aligner.name, aligner.lookahead, aligner.rates
        self.queries: tuple[EventQuery, ...] = ()
        self._aligner = aligner
        self._epochs: list[_Tape] = []

    def begin(self, queries: Sequence[EventQuery]) -> "RecordingScorer":
        """Return a scorer of the next epoch; its clips follow those of the epochs before."""
        self.queries = tuple(queries)
        self._epochs.append(_Tape())
        return RecordingScorer(self._aligner.begin(queries), self._epochs[-1])

    def attend(self, window: FeatureWindow, query: EventQuery) -> F32:
        """Return what the aligner answers."""
        return self._aligner.attend(window, query)

    def window(self) -> FeatureWindow | None:
        """Return all clips so far as one window; None before the first."""
        windows = [tape.window() for tape in self._epochs if tape.clips]
        if not windows:
            return None
        return FeatureWindow(
            **{f.name: np.concatenate([getattr(w, f.name) for w in windows]) for f in fields(FeatureWindow)}
        )

    def scores(self) -> dict[str, F32]:
        """Return the final probability f32[T] of each event in every clip of ``window``."""
        rows = [row for tape in self._epochs for row in tape.p]
        p = np.stack(rows) if rows else np.zeros((0, len(self.queries)), np.float32)
        return {q.event: p[:, i] for i, q in enumerate(self.queries)}


@dataclass(slots=True)
class _Tape:
    """One epoch, a row a clip. Rows are copies: a view would keep its whole window alive."""

    clips: list[tuple[NDArray[Any], ...]] = field(default_factory=list)  # in the order of PER_CLIP
    p: list[F32] = field(default_factory=list)  # [Q] a clip
    speech: dict[tuple[float, float], F32] = field(default_factory=dict)
    width: int = 0  # of the sentence space

    def take(self, window: FeatureWindow, first: int, tracks: Sequence[ScoreTrack]) -> None:
        """Keep a window's clips in place of the earlier versions of those it still has."""
        del self.clips[first:], self.p[first:]
        for i in range(len(window.bounds)):
            self.clips.append(tuple(getattr(window, name)[i].copy() for name in PER_CLIP))
            self.p.append(np.array([t.p[i] for t in tracks], np.float32))
        for (start, end), row in zip(window.speech_t, window.speech, strict=True):
            self.speech[(float(start), float(end))] = row
        self.width = window.speech.shape[1]

    def window(self) -> FeatureWindow:
        """Return the epoch as one window, its utterances in order of time."""
        said = sorted(self.speech)
        speech = np.array([self.speech[key] for key in said], np.float32).reshape(-1, self.width)
        columns = {name: np.stack(column) for name, column in zip(PER_CLIP, zip(*self.clips, strict=True), strict=True)}
        return FeatureWindow(**columns, speech=speech, speech_t=np.array(said, np.float64).reshape(-1, 2))


@dataclass(frozen=True, slots=True)
class RecordingScorer:
    """The other aligner's scorer, with everything it sees and answers kept on a tape."""

    scorer: Scorer
    tape: _Tape

    def score(self, window: FeatureWindow, first: int) -> tuple[ScoreTrack, ...]:
        """Return what the scorer answers."""
        tracks = self.scorer.score(window, first)
        self.tape.take(window, first, tracks)
        return tracks
