import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from alignment.aligners.similarity import SimilarityAligner
from alignment.calibration import LITE_CALIBRATION, Platt, SimilarityCalibration
from alignment.errors import FeatureError
from alignment.types import EventQuery, FeatureWindow

CALIBRATION = SimilarityCalibration(Platt(20.0, 0.4), Platt(20.0, 0.4), Platt(10.0, 0.5), contrast=20.0)
SEE, SAY, HEAR = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def units(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    x = rng.normal(size=(n, d)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def window(frames: np.ndarray, speech: np.ndarray | None = None, speech_t: object = ()) -> FeatureWindow:
    t = np.arange(len(frames), dtype=np.float64)
    said = np.zeros((0, 8), np.float32) if speech is None else speech
    return FeatureWindow(
        bounds=np.stack([t, t + 1], axis=1),
        frames=frames,
        frame_mask=np.ones(len(frames), bool),
        speech=said,
        speech_t=np.asarray(speech_t, np.float64).reshape(-1, 2),
        sound=np.zeros((len(frames), 3), np.float32),
        sound_mask=np.ones(len(frames), bool),
    )


def query(
    vision: np.ndarray | None = None, speech: np.ndarray | None = None, prior: object = SEE, **more: Any
) -> EventQuery:
    empty = np.zeros((0, 8), np.float32)
    fields = {
        "event": "e",
        "vision": empty if vision is None else vision,
        "vision_unlike": empty,
        "speech": empty if speech is None else speech,
        "speech_unlike": empty,
        "sound": np.zeros(3, np.float32),
        "prior": np.asarray(prior, np.float32),
    }
    return EventQuery(**(fields | more))


def align(w: FeatureWindow, *queries: EventQuery):
    return SimilarityAligner(CALIBRATION).align(w, queries)


def axis(i: int, n: int = 1) -> np.ndarray:
    return np.repeat(np.eye(8, dtype=np.float32)[i : i + 1], n, axis=0)


def test_scores_equal_a_naive_reference() -> None:
    rng = np.random.default_rng(7)
    w = window(units(rng, 12, 8))
    w.frame_mask[[3, 8]] = False
    queries = [query(units(rng, p, 8), vision_unlike=units(rng, c, 8)) for p, c in [(1, 0), (3, 2), (2, 1)]]
    sigma = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731  # a formula
    for q, track in zip(queries, align(w, *queries), strict=True):
        for t in range(12):
            near = [n for n in (t - 1, t, t + 1) if 0 <= n < 12 and w.frame_mask[n]]
            wanted = np.mean([max(w.frames[n] @ r for r in q.vision) for n in near])
            p = sigma(20 * (wanted - 0.4))
            if len(q.vision_unlike):
                p *= sigma(20 * (wanted - np.mean([max(w.frames[n] @ r for r in q.vision_unlike) for n in near])))
            assert track.p[t] == pytest.approx(p if w.frame_mask[t] else 0.0, abs=1e-5)


def test_what_is_seen_scores_only_where_it_is_seen() -> None:
    frames = np.concatenate([axis(0, 5), axis(1, 5), axis(0, 5)])
    (track,) = align(window(frames), query(axis(1)))
    assert track.p[5:10].min() > 0.5
    assert track.p[:4].max() < 0.01
    np.testing.assert_array_equal(track.bounds, window(frames).bounds)
    np.testing.assert_allclose(track.shares, np.tile([1, 0, 0], (15, 1)))


def test_one_clip_alone_is_not_enough_to_be_sure() -> None:
    (track,) = align(window(np.concatenate([axis(0, 5), axis(1), axis(0, 5)])), query(axis(1)))
    assert track.p.max() < 0.5


def test_any_paraphrase_will_do() -> None:
    (track,) = align(window(axis(2, 4)), query(np.concatenate([axis(1), axis(2)])))
    assert track.p.min() > 0.9


def test_a_nearer_contrast_lowers_the_probability() -> None:
    frame = (axis(0) * 0.6 + axis(1) * 0.8).astype(np.float32)
    w = window(np.repeat(frame, 4, axis=0))
    plain, contrasted, helpless = align(
        w, query(axis(0)), query(axis(0), vision_unlike=axis(1)), query(axis(0), vision_unlike=axis(5))
    )
    assert plain.p[1] > 0.9
    assert contrasted.p[1] < 0.05
    assert helpless.p[1] == pytest.approx(plain.p[1], abs=0.01)


def test_spans_of_speech_begin_and_end_with_the_words() -> None:
    w = window(axis(0, 12), np.concatenate([axis(3), axis(4)]), [(3.3, 5.9), (8.2, 8.9)])
    long, short = align(w, query(speech=axis(3), prior=SAY), query(speech=axis(4), prior=SAY))
    active = np.flatnonzero(long.p > 0.5)
    assert (long.bounds[active[0], 0], long.bounds[active[-1], 1]) == (3.3, 5.9)
    active = np.flatnonzero(short.p > 0.5)
    assert active.tolist() == [8]
    assert short.bounds[8].tolist() == [8.2, 8.9]
    assert long.shares[4].tolist() == [0.0, 1.0, 0.0]


def test_a_word_across_two_clips_is_not_lost() -> None:
    w = window(axis(0, 6), axis(3), [(2.8, 3.2)])
    (track,) = align(w, query(speech=axis(3), prior=SAY))
    assert track.p.max() > 0.5


def test_saying_a_word_does_not_show_it_and_showing_does_not_say() -> None:
    w = window(axis(2, 6), axis(3), [(1.0, 5.0)])
    seen, said = align(w, query(axis(3), axis(3), SEE), query(axis(2), axis(2), SAY))
    assert seen.p.max() < 0.01
    assert said.p.max() < 0.01


def test_modalities_join_and_share() -> None:
    w = window(axis(2, 6), axis(3), [(1.0, 5.0)])
    (both,) = align(w, query(axis(2), axis(3), (1.0, 1.0, 0.0)))
    (seen,) = align(w, query(axis(2)))
    assert (both.p >= seen.p - 1e-6).all()
    np.testing.assert_allclose(both.shares.sum(axis=1), 1.0, atol=1e-5)
    assert both.shares[2, 1] == pytest.approx(0.5, abs=0.01)


def test_sound_counts_only_the_tags_that_the_description_is_about() -> None:
    w = window(axis(0, 4))
    w.sound[1:3] = [0.1, 0.95, 0.0]
    music, thunder = align(
        w, query(prior=HEAR, sound=np.array([0, 1, 0], np.float32)), query(prior=HEAR, sound=np.zeros(3, np.float32))
    )
    assert (music.p > 0.5).tolist() == [False, True, True, False]
    assert (thunder.p == 0).all()


def test_rows_that_are_not_finite_count_as_absent() -> None:
    rng = np.random.default_rng(3)
    clean = window(units(rng, 8, 8), axis(3), [(1.0, 5.0)])
    clean.frame_mask[4] = False
    broken = replace(
        clean,
        frames=clean.frames.copy(),
        frame_mask=np.ones(8, bool),
        speech=np.concatenate([clean.speech, np.full((1, 8), np.nan, np.float32)]),
        speech_t=np.array([[1.0, 5.0], [2.0, 6.0]]),
        sound=np.full((8, 3), np.nan, np.float32),
    )
    broken.frames[4] = np.nan
    q = query(axis(1), axis(3), (1.0, 1.0, 1.0), sound=np.ones(3, np.float32))
    (expected,), (found,) = align(clean, q), align(broken, q)
    assert np.isfinite(found.p).all()
    np.testing.assert_allclose(found.p[4], expected.p[4])
    np.testing.assert_array_equal(found.bounds, expected.bounds)


def test_empty_windows_and_no_queries() -> None:
    (track,) = align(window(np.zeros((0, 8), np.float32)), query(axis(0), axis(1), (1.0, 1.0, 1.0)))
    assert (track.p.shape, track.bounds.shape, track.shares.shape) == ((0,), (0, 2), (0, 3))
    assert align(window(axis(0, 3))) == ()


def test_widths_that_differ_are_an_error() -> None:
    with pytest.raises(FeatureError, match="385 numbers, features 8"):
        align(window(axis(0, 3)), query(np.zeros((1, 385), np.float32)))


def test_a_hundred_queries_over_a_full_window_are_quick() -> None:
    rng = np.random.default_rng(1)
    t = np.sort(rng.uniform(0, 70, 30))
    w = FeatureWindow(
        np.stack([np.arange(75.0), np.arange(75.0) + 1], 1),
        units(rng, 75, 512),
        np.ones(75, bool),
        units(rng, 30, 384),
        np.stack([t, t + 3], 1),
        rng.random((75, 3)).astype(np.float32),
        np.ones(75, bool),
    )
    queries = [
        query(
            units(rng, 2, 512),
            units(rng, 2, 384),
            (1, 1, 1),
            vision_unlike=units(rng, 2, 512),
            sound=np.ones(3, np.float32),
        )
        for _ in range(100)
    ]
    aligner = SimilarityAligner(LITE_CALIBRATION)
    best = 1.0
    for _ in range(5):
        start = time.thread_time()
        aligner.align(w, queries)
        best = min(best, time.thread_time() - start)
    assert best < 0.1  # 20 ms on a quiet core; the machine that runs tests may be busy
