"""Applies heads to the scores of a sliding window: the one place where feedback changes a probability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from alignment.aligners.base import Scorer
from alignment.personal.head import LEAST, Head
from alignment.personal.samples import Samples, samples_of
from alignment.types import F32, FeatureWindow, ScoreTrack

Heads = Mapping[str, Head]  # by event
MOST_CLIPS = 6  # of an event, by which it is judged


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Heads that are in force from a clip on, by its number."""

    since: int
    heads: Heads


class PersonalScorer:
    """Scores by another scorer, and corrects what heads are there for. For one thread.

    A clip is corrected by the heads that were in force when it entered the window: what was decided stays.
    """

    def __init__(self, scorer: Scorer, heads: Heads) -> None:
        self._scorer = scorer
        self._stretches: Sequence[_Stretch] = (_Stretch(0, heads),)
        self._plain: dict[str, ScoreTrack] = {}  # of the last window, without heads
        self._window: FeatureWindow | None = None

    def use(self, heads: Heads, since: int) -> None:
        """Correct clips from number ``since`` on by other heads."""
        if heads != self._stretches[-1].heads:
            self._stretches = (*self._stretches, _Stretch(since, heads))

    def score(self, window: FeatureWindow, first: int) -> tuple[ScoreTrack, ...]:
        """Return one track per query, in order."""
        tracks = self._scorer.score(window, first)
        self._window, self._plain = window, {track.event: track for track in tracks}
        gone = sum(s.since <= first for s in self._stretches) - 1
        self._stretches = self._stretches[max(0, gone) :]
        if not any(s.heads for s in self._stretches):
            return tracks
        return tuple(self._corrected(window, track, first) for track in tracks)

    def samples(self, event: str, start: float, end: float, most: int = MOST_CLIPS) -> Samples:
        """Return the ``most`` surest clips of the last window that lie between two stream seconds, in order."""
        assert self._window is not None
        track = self._plain[event]
        inside = np.flatnonzero((track.bounds[:, 1] > start) & (track.bounds[:, 0] < end))
        surest = np.sort(inside[np.argsort(-track.p[inside], kind="stable")[:most]])
        return samples_of(self._window, track)[surest]

    def _corrected(self, window: FeatureWindow, track: ScoreTrack, first: int) -> ScoreTrack:
        bounds = [max(0, s.since - first) for s in self._stretches] + [len(track.p)]
        p = track.p
        for stretch, (begin, end) in zip(self._stretches, pairwise(bounds), strict=True):
            head = stretch.heads.get(track.event)
            if head is None or begin >= end:
                continue
            likely = begin + np.flatnonzero(track.p[begin:end] >= LEAST)
            if len(likely):
                p = p.copy() if p is track.p else p
                p[likely] = _with_head(head, samples_of(window, track)[likely])
        return track if p is track.p else replace(track, p=p)


def _with_head(head: Head, samples: Samples) -> F32:
    z = samples.logits + head.offsets(samples)
    return np.asarray(1 / (1 + np.exp(-z)), np.float32)
