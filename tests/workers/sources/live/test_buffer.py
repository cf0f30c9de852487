"""The buffer of a live stream: what is only a hiccup loses nothing, overload leaves the freshest."""

from collections import Counter

import numpy as np
import pytest

from tests.support.clocks import FakeClock
from workers.sources.live.buffer import FreshBuffer
from workers.types import AudioChunk, FrameBatch


def frame(t: float) -> FrameBatch:
    return FrameBatch("c", 0, np.array([t]), np.array([t]), np.zeros((1, 2, 2, 3), np.uint8))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def lost() -> Counter[str]:
    return Counter()


@pytest.fixture
def buffer(clock: FakeClock, lost: Counter[str]) -> FreshBuffer:
    return FreshBuffer(lambda reason, n: lost.update({reason: n}), clock)


def age(buffer: FreshBuffer, clock: FakeClock) -> float:
    """Take a frame; return how old it is."""
    taken = buffer.get()
    assert isinstance(taken, FrameBatch)
    return clock.now - float(taken.pts_s[0])


def test_a_backlog_that_is_worked_off_is_worked_off_whole(
    buffer: FreshBuffer, clock: FakeClock, lost: Counter[str]
) -> None:
    for _ in range(30):  # nobody takes for half a minute: the encoder is being started again
        buffer.put(frame(clock.now))
        clock.sleep(1.0)
    ages = []
    for n in range(38):
        ages.append(age(buffer, clock))
        clock.sleep(0.25)
        if n % 4 == 3:
            buffer.put(frame(clock.now))
    assert ages[0] == 30
    assert ages[-1] < 2
    assert not lost


def test_more_than_can_be_done_leaves_the_freshest_until_it_is_less_again(
    buffer: FreshBuffer, clock: FakeClock, lost: Counter[str]
) -> None:
    ages = []
    for _ in range(60):  # two frames a second come, one is taken
        for _ in range(2):
            clock.sleep(0.5)
            buffer.put(frame(clock.now))
        ages.append(age(buffer, clock))
    assert max(ages[:18]) > 5, "at first it may be a hiccup"
    assert set(ages[20:]) == {0.0}, "then every frame that is taken is the newest"
    assert lost == {"overload": 60}
    for _ in range(32):  # now all are taken
        clock.sleep(0.5)
        buffer.put(frame(clock.now))
        age(buffer, clock)
    for _ in range(5):
        buffer.put(frame(clock.now))
    assert [age(buffer, clock) for _ in range(5)] == [0.0] * 5, "a burst is no overload any more"
    assert lost == {"overload": 60}


def test_sound_stays_where_frames_are_dropped(buffer: FreshBuffer, clock: FakeClock, lost: Counter[str]) -> None:
    heard: list[float] = []
    for second in range(60):
        for item in (frame(clock.now), AudioChunk("c", 0, float(second), np.zeros(10, np.float32)), frame(clock.now)):
            buffer.put(item)
        clock.sleep(1.0)
        while isinstance(taken := buffer.get(), AudioChunk):
            heard.append(taken.start_s)
    assert lost["overload"] > 50
    assert heard == [float(second) for second in range(len(heard))]
    assert len(heard) >= 59
