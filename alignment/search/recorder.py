"""A recorder around an aligner: it keeps the features of a whole stream and the final score of every clip.

Windows slide and their latest clips change (a transcript is late, a bound moves). The recorder keeps the last version
of each clip, because the decision was made on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.base import Aligner, Scorer
from alignment.calibration import SIMILARITY_STRAYS_PER_HOUR
from alignment.search.feature_file import FeatureFile
from alignment.types import F32, EventQuery, FeatureWindow, ScoreTrack

PER_CLIP = ("bounds", "frames", "frame_mask", "sound", "sound_mask")


@dataclass(frozen=True, slots=True)
class Recording:
    """The features of one video as used for the decision and, by event, the query and the final probability f32[T].

    ``alerts``: by id of a decided event, the stream second in which it was first published.
    """

    features: FeatureFile
    queries: Mapping[str, EventQuery]
    scores: Mapping[str, F32]
    alerts: Mapping[str, float] = field(default_factory=dict)


class Silence:
    """An aligner that scores everything 0: for streams that are only recorded."""

    name = "silence"
    lookahead = 0
    rates = SIMILARITY_STRAYS_PER_HOUR

    def begin(self, queries: Sequence[EventQuery]) -> "SilentScorer":
        """Return a scorer that returns 0."""
        return SilentScorer(tuple(q.event for q in queries))

    def attend(self, window: FeatureWindow, query: EventQuery) -> F32:
        """Return f32[T, W] of zeros."""
        return np.zeros((len(window.bounds), len(query.words)), np.float32)


@dataclass(frozen=True, slots=True)
class SilentScorer:
    """Scores every event 0."""

    events: tuple[str, ...]

    def score(self, window: FeatureWindow, first: int) -> tuple[ScoreTrack, ...]:
        """Return one track of zeros per event."""
        zeros = np.zeros(len(window.bounds), np.float32)
        shares = np.zeros((len(zeros), 3), np.float32)
        return tuple(ScoreTrack(event, zeros, window.bounds, shares) for event in self.events)


class Recorder:
    """Forwards all calls to ``aligner`` and keeps windows and scores. For one stream, in one thread."""

    def __init__(self, aligner: Aligner) -> None:
        self.name, self.lookahead, self.rates = aligner.name, aligner.lookahead, aligner.rates
        self.queries: tuple[EventQuery, ...] = ()
        self._aligner = aligner
        self._segments: list[_Tape] = []

    def begin(self, queries: Sequence[EventQuery]) -> "RecordingScorer":
        """Return a scorer of the next segment; its clips follow those of earlier segments."""
        self.queries = tuple(queries)
        self._segments.append(_Tape())
        return RecordingScorer(self._aligner.begin(queries), self._segments[-1])

    def attend(self, window: FeatureWindow, query: EventQuery) -> F32:
        """Return the aligner's attention."""
        return self._aligner.attend(window, query)

    @property
    def reached_s(self) -> float:
        """Return the stream second up to which the latest window reaches: what is decided now is decided then."""
        return self._segments[-1].reached_s if self._segments else 0.0

    def window(self) -> FeatureWindow | None:
        """Return all clips so far as one window, without detections; None before the first clip."""
        windows = [tape.window() for tape in self._segments if tape.clips]
        if not windows:
            return None
        names = [f.name for f in fields(FeatureWindow) if f.name != "detections"]
        return FeatureWindow(**{name: np.concatenate([getattr(w, name) for w in windows]) for name in names})

    def scores(self) -> dict[str, F32]:
        """Return the final probability f32[T] of each event in every clip of ``window``."""
        rows = [row for tape in self._segments for row in tape.p]
        p = np.stack(rows) if rows else np.zeros((0, len(self.queries)), np.float32)
        return {q.event: p[:, i] for i, q in enumerate(self.queries)}


@dataclass(slots=True)
class _Tape:
    """One segment, one row per clip. Rows are copies: a view would keep its whole window in memory."""

    clips: list[tuple[NDArray[Any], ...]] = field(default_factory=list)  # in the order of PER_CLIP
    p: list[F32] = field(default_factory=list)  # [Q] per clip
    speech: dict[tuple[float, float], F32] = field(default_factory=dict)
    width: int = 0  # of the sentence space
    reached_s: float = 0.0  # end of the newest clip

    def take(self, window: FeatureWindow, first: int, tracks: Sequence[ScoreTrack]) -> None:
        """Store a window's clips; they replace earlier versions of the same clips."""
        del self.clips[first:], self.p[first:]
        for i in range(len(window.bounds)):
            self.clips.append(tuple(getattr(window, name)[i].copy() for name in PER_CLIP))
            self.p.append(np.array([t.p[i] for t in tracks], np.float32))
        for (start, end), row in zip(window.speech_t, window.speech, strict=True):
            self.speech[(float(start), float(end))] = row
        self.width = window.speech.shape[1]
        self.reached_s = float(window.bounds[-1, 1]) if len(window.bounds) else self.reached_s

    def window(self) -> FeatureWindow:
        """Return the segment as one window, its utterances in order of time."""
        said = sorted(self.speech)
        speech = np.array([self.speech[key] for key in said], np.float32).reshape(-1, self.width)
        columns = {name: np.stack(column) for name, column in zip(PER_CLIP, zip(*self.clips, strict=True), strict=True)}
        return FeatureWindow(**columns, speech=speech, speech_t=np.array(said, np.float64).reshape(-1, 2))


@dataclass(frozen=True, slots=True)
class RecordingScorer:
    """A scorer that stores the windows and tracks of the wrapped scorer on a tape."""

    scorer: Scorer
    tape: _Tape

    def score(self, window: FeatureWindow, first: int) -> tuple[ScoreTrack, ...]:
        """Return the tracks of the wrapped scorer."""
        tracks = self.scorer.score(window, first)
        self.tape.take(window, first, tracks)
        return tracks
