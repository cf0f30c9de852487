"""Why a span was reported, on features made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from alignment.aligners.explanation import APART_S, BEST_CLIPS, CONTEXT_CLIPS, best_points, explain
from alignment.aligners.similarity import SimilarityAligner
from alignment.calibration import Platt, SimilarityCalibration
from alignment.types import SOUND_CLASSES, Counted, EventQuery, FeatureWindow, ObjectQuery, ScoreTrack, Span

CURVE = Platt(scale=10.0, midpoint=0.5)
ALIGNER = SimilarityAligner(SimilarityCalibration(CURVE, CURVE, CURVE))
RED, SHED, GREY = np.eye(3, dtype=np.float32)
CLIPS = 60


def query(*words: str) -> EventQuery:
    rows, empty = np.stack([RED, SHED])[: len(words)], np.zeros((0, 3), np.float32)
    silent, prior = np.zeros(SOUND_CLASSES, np.float32), np.array([1, 0, 0], np.float32)
    return EventQuery("e", RED[None], empty, empty, empty, silent, prior, words, rows)


def window(rows: dict[int, np.ndarray]) -> FeatureWindow:
    """A clip a second, all grey but those in ``rows``."""
    frames = np.stack([rows.get(i, GREY) for i in range(CLIPS)])
    bounds = np.stack([np.arange(CLIPS) - 0.5, np.arange(CLIPS) + 0.5], axis=1)
    nothing, none = np.zeros((CLIPS, SOUND_CLASSES), np.float32), np.zeros(CLIPS, bool)
    return FeatureWindow(bounds, frames, ~none, np.zeros((0, 3), np.float32), np.zeros((0, 2)), nothing, none)


def scores(w: FeatureWindow, p: dict[int, float]) -> ScoreTrack:
    values = np.array([p.get(i, 0.1) for i in range(CLIPS)], np.float32)
    return ScoreTrack("e", values, w.bounds, np.full((CLIPS, 3), 1 / 3, np.float32))


def span(start: float, end: float) -> Span:
    return Span("e", start, end, 0.9, False, (1.0, 0.0, 0.0), ((start, 0.7), (start + 1, 0.9)))


def test_words_share_the_attention_of_the_spans_clips_by_their_probability() -> None:
    seen = {10: SHED, **dict.fromkeys(range(30, 33), RED), 33: SHED}
    w = window(seen)
    told = explain(w, query("red", "shed"), scores(w, {30: 0.9, 31: 0.9, 32: 0.9, 33: 0.3}), span(29.5, 33.5), ALIGNER)
    assert [word for word, _ in told.words] == ["red", "shed"]
    assert sum(x for _, x in told.words) == pytest.approx(1)
    red = 1 / (1 + np.exp(-10))  # attention of a red clip to "red"; of the shed, to "shed"
    assert told.words[0][1] == pytest.approx((2.7 * red + 0.3 * (1 - red)) / 3.0, abs=1e-4)


def test_the_objects_that_were_asked_for_are_those_of_the_best_clips() -> None:
    dog, car, box = 1, 2, (0.1, 0.2, 0.3, 0.4)
    detections = np.full((CLIPS, 3, 8), -np.inf, np.float32)
    detections[30, 0], detections[30, 1], detections[30, 2] = (
        (dog, 2.0, *box, 0, 0),
        (car, 3.0, *box, 0, 0),
        (dog, -1.0, *box, 0, 0),
    )
    detections[10, 0] = (dog, 5.0, *box, 0, 0)  # before the span
    w = replace(window({30: RED}), detections=detections)
    asked = replace(query("red"), objects=(ObjectQuery((Counted((dog,)),)),))
    (seen,) = explain(w, asked, scores(w, {30: 0.9}), span(29.5, 31.5), ALIGNER).objects
    assert (seen.t, seen.kind, seen.box) == (30.0, dog, pytest.approx(box))
    assert seen.p == pytest.approx(0.917, abs=0.001)
    nobody = replace(query("red"), objects=(ObjectQuery((Counted((dog,)),), absent=True),))
    assert explain(w, nobody, scores(w, {30: 0.9}), span(29.5, 31.5), ALIGNER).objects == ()


def test_what_is_outside_the_span_does_not_count() -> None:
    inside, outside = {30: RED, 31: RED}, {10: SHED, 50: SHED}
    p = dict.fromkeys((10, 30, 31, 50), 0.9)
    one, other = window(inside), window(inside | outside)
    asked = query("red", "shed")
    assert explain(one, asked, scores(one, p), span(29.5, 31.5), ALIGNER) == explain(
        other, asked, scores(other, p), span(29.5, 31.5), ALIGNER
    )


def test_the_track_reaches_beyond_the_span_on_both_sides() -> None:
    w = window({})
    told = explain(w, query("red"), scores(w, {30: 0.9}), span(29.5, 31.5), ALIGNER)
    assert told.track[0] == (30 - CONTEXT_CLIPS, pytest.approx(0.1))
    assert told.track[-1] == (31 + CONTEXT_CLIPS, pytest.approx(0.1))
    assert dict(told.track)[30.0] == pytest.approx(0.9)
    early = explain(w, query("red"), scores(w, {0: 0.9}), span(0, 1.5), ALIGNER)
    assert early.track[0][0] == 0


def test_without_words_or_evidence_no_word_has_a_share() -> None:
    w = window({30: RED})
    p = scores(w, {30: 0.9})
    assert explain(w, query(), p, span(29.5, 30.5), ALIGNER).words == ()
    blind = replace(w, frame_mask=np.zeros(CLIPS, bool))
    assert explain(blind, query("red"), p, span(29.5, 30.5), ALIGNER).words == ()


def test_a_span_whose_clips_have_left_the_window_is_told_by_its_own_track() -> None:
    w, late = window({}), span(-100, -98)
    told = explain(w, query("red"), scores(w, {}), late, ALIGNER)
    assert (told.words, told.track) == ((), late.track)
    assert told.best[0] == (-99, 0.9)


def test_a_span_shorter_than_a_clip_has_that_clip() -> None:
    w = window({30: RED})
    told = explain(w, query("red"), scores(w, {30: 0.8}), span(30.1, 30.3), ALIGNER)
    assert told.best == ((30.0, pytest.approx(0.8)),)


def test_the_best_clips_are_apart_where_there_are_such() -> None:
    rising = [(float(t), t / 10) for t in range(10)]
    best = best_points(rising)
    assert best[0] == (9.0, 0.9)
    assert len(best) == BEST_CLIPS
    assert min(abs(a[0] - b[0]) for a in best for b in best if a != b) >= APART_S
    assert best_points(rising[:3]) == ((2.0, 0.2), (1.0, 0.1), (0.0, 0.0))
