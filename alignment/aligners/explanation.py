"""Explain a reported span: attention over the words, the best clips, and the scores around it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from alignment.aligners.base import Aligner
from alignment.aligners.objects import COLOURS_AT, SEEN, object_probability
from alignment.aligners.utterances import cover
from alignment.types import F32, Bools, EventQuery, FeatureWindow, ScoreTrack, Span

BEST_CLIPS = 4
APART_S = 2.0  # closer frames mostly show the same
CONTEXT_CLIPS = 20  # before and after the span

Point = tuple[float, float]  # middle of a clip (stream seconds), probability


@dataclass(frozen=True, slots=True)
class SeenObject:
    """An object that the description asks for, in one of the best clips: stream seconds, class, probability, box."""

    t: float
    kind: int
    p: float
    box: tuple[float, float, float, float]  # left, top, right, bottom; 0 to 1


@dataclass(frozen=True, slots=True)
class Explanation:
    """The evidence for one span, from the window that holds its latest clips."""

    words: tuple[tuple[str, float], ...]  # the description's words and their share of the attention; none: no evidence
    track: tuple[Point, ...]  # the span's clips with those before and after it, in order of time
    best: tuple[Point, ...]  # its most probable clips, the best first, if possible ``APART_S`` apart
    objects: tuple[SeenObject, ...] = ()  # detected in those clips


def explain(window: FeatureWindow, query: EventQuery, scores: ScoreTrack, span: Span, aligner: Aligner) -> Explanation:
    """Return why ``span`` was reported; ``scores`` are of ``window`` and ``query``.

    A word's share is the mean of the attention over the span's clips, weighted by their probability.
    """
    inside = cover(window.bounds, np.array([[span.start, span.end]]))[:, 0]
    if not inside.any():  # a transcript so late that its clips have left
        return Explanation((), span.track, best_points(span.track))
    middles = window.bounds.mean(axis=1)
    points = [(float(t), float(p)) for t, p in zip(middles, scores.p, strict=True)]
    at = np.flatnonzero(inside)
    around = points[max(0, at[0] - CONTEXT_CLIPS) : at[-1] + CONTEXT_CLIPS + 1]
    words = _shares(aligner.attend(window, query), scores.p, inside)
    best = best_points([points[i] for i in at])
    return Explanation(
        words=tuple(zip(query.words, map(float, words), strict=True)) if words.any() else (),
        track=tuple(around),
        best=best,
        objects=tuple(seen_objects(window, query, [points.index(point) for point in best])),
    )


def seen_objects(window: FeatureWindow, query: EventQuery, clips: Sequence[int]) -> Iterator[SeenObject]:
    """Yield the objects that a description asks for in these clips, of each clip the surest first."""
    wanted = [kind for asked in query.objects if asked and not asked.absent for w in asked.wanted for kind in w.classes]
    if window.detections is None or not wanted:
        return
    for clip in clips:
        t = float(window.bounds[clip].mean())
        for kind, logit, *box in window.detections[clip][:, :COLOURS_AT]:
            if kind in wanted and (p := object_probability(logit)) >= SEEN:
                left, top, right, bottom = map(float, box)
                yield SeenObject(t, int(kind), p, (left, top, right, bottom))


def best_points(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return at most ``BEST_CLIPS`` points, the most probable first; close neighbours only if there are no others."""
    ranked = sorted(points, key=lambda x: -x[1])
    chosen: list[Point] = []
    for apart in (APART_S, 0.0):
        for point in ranked:
            free = point not in chosen and all(abs(point[0] - c[0]) >= apart for c in chosen)
            if free and len(chosen) < BEST_CLIPS:
                chosen.append(point)
    return tuple(sorted(chosen, key=lambda x: -x[1]))


def _shares(attention: F32, p: F32, inside: Bools) -> F32:
    """Return f32[W]: the weighted mean of the rows inside, as shares that sum to 1; 0 where nothing was attended to."""
    total = np.where(inside, p, 0.0) @ np.nan_to_num(attention)
    return np.asarray(total / max(float(total.sum()), 1e-9), np.float32)
