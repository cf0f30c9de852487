"""The window: bounds of clips, sound without pictures, forgetting."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alignment.types import SOUND_CLASSES
from alignment.windows import ClipWindow
from workers.sources.decode.packets import Grid


def feature(x: float) -> np.ndarray:
    return np.array([x, 1.0], np.float32)


def window(times: list[float], **options: Any) -> ClipWindow:
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
    p = np.zeros((3, SOUND_CLASSES), np.float32)
    p[:, :2] = [[0.1, 0.9], [0.7, 0.2], [0.0, 0.5]]
    w.add_sound(np.array([[0.0, 0.2], [0.2, 0.5], [0.5, 1.0]]), p)
    f = w.features()
    assert f.sound_mask.tolist() == [True, True, False]
    assert f.sound[:, :3].tolist() == pytest.approx(np.array([[0.7, 0.9, 0], [0, 0.5, 0], [0, 0, 0]]))


def seen(w: ClipWindow) -> dict[float, np.ndarray]:
    """Return the bounds of each clip with a frame, by the frame's time (its feature says it)."""
    f = w.features()
    return {float(f.frames[i, 0]): f.bounds[i] for i in np.flatnonzero(f.frame_mask)}


def test_late_frames_closer_than_a_hop_find_room_among_the_clips_of_sound() -> None:
    """Key frames a second apart, of which an encoder that was away had kept none: each has its clip, at its time."""
    w = ClipWindow(4.0, 2, 3, reach_s=5.0)
    for t in range(10):
        w.add_frame(float(t), feature(t))
    w.fill_until(25.0)
    assert all(w.add_frame(float(t), feature(t)) for t in range(10, 30))
    assert list(seen(w)) == [float(t) for t in range(30)]
    assert w.features().frame_mask.all(), "no clip of sound is left where there are pictures"


def test_a_late_frame_leaves_the_clips_of_sound_that_lie_further_off() -> None:
    w = window([0.0])
    w.fill_until(6.0)
    w.add_frame(3.2, feature(3.2))
    f = w.features()
    assert f.frame_mask.tolist() == [True, False, False, True, False, False]
    assert f.bounds[:, 0] == pytest.approx([0.0, 0.5, 1.5, 2.6, 3.6, 4.5])


def test_a_frame_out_of_the_window_or_out_of_order_is_refused() -> None:
    w = window([0.0, 1.0], size=4)
    w.fill_until(9.0)
    w.trim()
    before = w.features().bounds
    assert [w.add_frame(t, feature(9)) for t in (0.5, 1.0, 2.0, 4.4)] == [False] * 4
    assert w.features().bounds.tolist() == before.tolist()
    assert [w.add_frame(t, feature(t)) for t in (4.6, 4.6, 4.5)] == [True, False, False]


ARRIVALS = st.lists(st.tuples(st.floats(0.05, 12.0), st.sampled_from(["frame", "sound", "hop"])), max_size=60)


@given(arrivals=ARRIVALS, hop_s=st.sampled_from([0.5, 1.0, 4.0]), size=st.integers(3, 30))
@example([(1.0, "frame")] * 9 + [(20.0, "sound")] + [(1.0, "frame")] * 30, 4.0, 75)
def test_every_frame_has_a_clip_at_its_time_or_is_refused(
    arrivals: list[tuple[float, str]], hop_s: float, size: int
) -> None:
    """However late frames and sound come: each frame lies in its clip, in order, and keeps its number."""
    w, now, heard, left, numbers = ClipWindow(hop_s, 2, 3, size, reach_s=5.0), 0.0, 0.0, -np.inf, dict[float, int]()
    taken: list[float] = []
    for gap, what in arrivals:
        if what == "frame":
            now = float(np.float32(now + gap))
            if w.add_frame(now, feature(now)):
                taken.append(now)
            else:
                assert now < left, "only what is older than the window"
        elif what == "sound":
            heard += gap
            w.fill_until(heard)
        else:
            w.trim()
        f = w.features()
        if w.first:
            left = f.bounds[0, 1]
        shown = seen(w)
        assert list(shown) == taken[len(taken) - len(shown) :]
        assert all(start <= t <= end for t, (start, end) in shown.items())
        assert (np.diff(f.bounds[:, 0]) >= 0).all()
        for i in np.flatnonzero(f.frame_mask):
            assert numbers.setdefault(float(f.frames[i, 0]), w.first + int(i)) == w.first + int(i)
        gone = len(taken) - len(shown)
        assert gone == 0 or numbers[taken[gone - 1]] < w.first, "a frame leaves with its clip"


def test_a_frame_stands_until_the_next() -> None:
    w = ClipWindow(1.0, 2, 3, stands=True)
    w.add_frame(0.0, feature(1))
    w.fill_until(4.2)  # sound went ahead
    w.add_frame(6.3, feature(2))
    f = w.features()
    assert f.frames[:, 0].tolist() == [1, 1, 1, 1, 1, 1, 2]
    assert f.bounds[:, 1] == pytest.approx([0.5, 1.5, 2.5, 3.5, 4.5, 5.65, 6.8])


def test_between_frames_of_a_camera_nothing_stands() -> None:
    assert len(window([0.0, 50.0, 51.0])) == 3


@given(
    fps=st.floats(0.1, 60.0), faster=st.floats(1.0, 30.0), phase=st.floats(0.0, 1.0), step=st.sampled_from([0, 1e-3])
)
def test_a_constant_rate_above_that_of_sampling_stands_nowhere(
    fps: float, faster: float, phase: float, step: float
) -> None:
    """Where frames come at least as often as they are looked at, also with time stamps in thousandths."""
    grid, rate = Grid(fps), fps * faster
    shown = [(n + phase) / rate for n in range(1 + round(100 * faster))]
    t = [x for x in (round(x / step) * step if step else x for x in shown) if grid.take(x)]
    w = ClipWindow(1 / fps, 2, 3, stands=True)
    assert all(w.add_frame(x, feature(x)) for x in t)
    assert len(w) == len(t)
