"""Probabilities of a picture that stays the same."""

import numpy as np

from alignment.aligners.steady import GONE, KEPT, SteadyScores
from alignment.types import F32

SAME = np.array([1.0, 0.0], np.float32)
OTHER = np.array([0.0, 1.0], np.float32)


def held(p: list[float], frames: list[F32]) -> list[float]:
    row = np.array([p], np.float32)
    return SteadyScores().hold(row, np.stack(frames), np.ones(len(p), bool), 0, 0)[0].tolist()


def test_a_trembling_answer_falls_slowly_while_the_picture_stays() -> None:
    found = held([0.1, 0.9, 0.3, 0.4, 0.95], [SAME] * 5)
    np.testing.assert_allclose(found, [0.1, 0.9, 0.81, 0.729, 0.95], atol=1e-5)


def test_what_is_gone_is_not_held() -> None:
    np.testing.assert_allclose(held([0.9, 0.9 * GONE - 0.01, 0.1], [SAME] * 3), [0.9, 0.215, 0.1935], atol=1e-5)


def test_another_picture_has_its_own_answer() -> None:
    np.testing.assert_allclose(held([0.9, 0.3, 0.4], [SAME, OTHER, OTHER]), [0.9, 0.3, 0.4], atol=1e-5)


def test_a_clip_without_a_frame_holds_nothing() -> None:
    p, frames = np.array([[0.9, 0.0, 0.3]], np.float32), np.stack([SAME] * 3)
    found = SteadyScores().hold(p, frames, np.array([True, False, True]), 0, 0)
    np.testing.assert_allclose(found, p)


def test_a_sliding_window_holds_what_a_whole_one_does() -> None:
    rng = np.random.default_rng(2)
    p = rng.random((3, 40)).astype(np.float32)
    frames = np.stack([SAME if i // 9 % 2 else OTHER for i in range(40)])
    real = np.ones(40, bool)
    whole = SteadyScores().hold(p, frames, real, 0, 0)
    assert (whole > p + 0.1).any()
    steady, size, last = SteadyScores(), 6, 0
    for end in range(1, 41):
        first = max(0, end - size)
        provisional = p.copy()
        provisional[:, end - 1] = rng.random(3)  # the last clip is answered again with the next one
        window = slice(first, end)
        found = steady.hold(provisional[:, window], frames[window], real[window], first, max(0, last - 1 - first))
        np.testing.assert_allclose(found[:, :-1], whole[:, first : end - 1], atol=1e-6)
        last = end
    assert KEPT < 1
