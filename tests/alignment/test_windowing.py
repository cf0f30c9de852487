"""The window: bounds of clips, sound without pictures, forgetting."""

import numpy as np
import pytest

from alignment.windowing import ClipWindow


def feature(x: float) -> np.ndarray:
    return np.array([x, 1.0], np.float32)


def window(times: list[float], **options: int) -> ClipWindow:
    w = ClipWindow(1.0, 2, 3, **options)
    for t in times:
        w.add_frame(t, feature(t))
    return w


def test_a_clip_reaches_half_way_to_its_neighbours() -> None:
    bounds = window([0.0, 1.0, 1.6, 2.4]).features().bounds
    assert bounds == pytest.approx(np.array([[0, 0.5], [0.5, 1.3], [1.3, 2.0], [2.0, 2.9]]))


def test_a_clip_never_reaches_further_than_a_hop() -> None:
    bounds = window([0.0, 10.0]).features().bounds
    assert bounds == pytest.approx(np.array([[0, 1.0], [9.0, 10.5]]))


def test_where_frames_were_dropped_a_clip_may_reach_further() -> None:
    w = ClipWindow(1.0, 2, 3, reach_s=5.0)
    for t in (0.0, 1.0, 7.0, 20.0):
        w.add_frame(t, feature(t))
    bounds = w.features().bounds
    assert bounds == pytest.approx(np.array([[0, 0.5], [0.5, 4.0], [4.0, 12.0], [15.0, 20.5]]))


def test_no_clip_starts_before_the_epoch_or_ends_after_the_media() -> None:
    w = window([3.5])
    assert w.features().bounds[0, 0] == 3.5
    w.limit(3.6)
    assert w.features().bounds[0].tolist() == [3.5, 3.6]


def test_sound_without_pictures_makes_clips_without_frames() -> None:
    w = ClipWindow(1.0, 2, 3)
    w.start_at(0.0)
    w.fill_until(3.0)
    f = w.features()
    assert len(f.bounds) == 3
    assert not f.frame_mask.any()
    w.add_frame(1.2, feature(5))
    assert w.features().frame_mask.tolist() == [False, True, False]


def test_clips_keep_their_numbers_when_the_oldest_leave() -> None:
    w = window([float(t) for t in range(10)], size=4)
    w.add_speech(0.0, 1.0, np.ones(3, np.float32))
    w.add_speech(6.0, 7.0, np.ones(3, np.float32))
    w.trim()
    f = w.features()
    assert w.first == 6
    assert f.frames[:, 0].tolist() == [6, 7, 8, 9]
    assert f.speech_t.tolist() == [[6.0, 7.0]]


def test_a_clip_has_the_highest_tags_heard_in_it() -> None:
    w = window([0.0, 1.0, 2.0])
    w.add_sound(np.array([[0.0, 0.2], [0.2, 0.4]]), np.array([[0.1, 0.9, 0.0], [0.7, 0.2, 0.0]], np.float32))
    f = w.features()
    assert f.sound_mask.tolist() == [True, False, False]
    assert f.sound[0].tolist() == pytest.approx([0.7, 0.9, 0.0])
