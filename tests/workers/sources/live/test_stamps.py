"""Time stamps that do not run with time: arrival is the judge, and only of those."""

import random
from collections.abc import Callable, Iterator

import pytest
import structlog

from workers.sources.counters import Counters
from workers.sources.live.source import AHEAD_S
from workers.sources.live.stamps import SLACK_S, StampJudge

BEGAN = 1000.0


class Link:
    """A judge of a camera, whose packets arrive when a test says."""

    def __init__(self, late: Callable[[], float] = lambda: 0.0) -> None:
        self.counters = Counters()
        self.judge = StampJudge("door", self.counters)
        self.now = self.sent = BEGAN
        self.stamp = 7.0
        self._late = late
        self.connect()

    def connect(self) -> None:
        self.began, self.zero = self.now, self.stamp
        self.judge.begin(lambda: self.now, self.now)

    def send(
        self, seconds: float, rate: float = 1.0, fps: float = 25.0, track: str = "video"
    ) -> Iterator[tuple[float, float]]:
        """Yield when each packet was sent and the time that it got, both since the connection began."""
        for _ in range(round(seconds * fps)):
            arrival = max(self.now, self.sent + self._late())
            self.judge.waited, self.now = arrival > self.now, arrival
            yield self.sent - self.began, self.judge.correct(track, self.stamp) - self.zero
            self.sent += 1 / fps
            self.stamp += rate / fps

    @property
    def doubted(self) -> bool:
        return self.counters.snapshot().stamps_doubted


def off(times: Iterator[tuple[float, float]], after: float = 0.0) -> float:
    """Return the largest difference between the times that were got and those of sending."""
    return max(abs(sent - got) for sent, got in times if sent >= after)


@pytest.mark.parametrize("fps", [5.0, 25.0])
@pytest.mark.parametrize("rate", [0.0, 0.5, 0.84, 1.2, 1.42, 2.0])
def test_a_rate_that_is_wrong_is_noticed_within_seconds(rate: float, fps: float) -> None:
    link = Link()
    assert off(link.send(300, rate, fps), after=12.0) < 0.3
    assert link.doubted


@pytest.mark.parametrize("rate", [0.95, 0.98, 0.995, 0.998, 1.003, 1.02])
def test_a_rate_that_is_a_little_wrong_is_never_far_behind(rate: float) -> None:
    link = Link()
    assert off(link.send(3600, rate, 5.0)) < 1.6
    assert link.doubted


@pytest.mark.parametrize("rate", [0.0, 0.7, 1.42])
def test_a_frame_a_second_takes_longer(rate: float) -> None:
    assert off(Link().send(300, rate, 1.0), after=60.0) < 0.5


@pytest.mark.parametrize("fps", [0.5, 1.0, 25.0])
def test_time_stamps_that_stand_still_are_noticed_before_a_stall(fps: float) -> None:
    link = Link()
    assert off(link.send(60, 0.0, fps), after=9.0) < 0.3
    assert link.doubted


def test_a_fast_clock_at_a_frame_a_second_is_noticed_before_reading_is_held_back() -> None:
    link = Link()
    ahead = max(got - sent for sent, got in link.send(120, 1.35, 1.0))
    assert ahead < AHEAD_S


@pytest.mark.parametrize("rate", [1.0, 1 + 4e-4, 1 - 8e-4])
def test_the_drift_of_a_clock_is_not_doubted(rate: float) -> None:
    link = Link()
    zero = link.stamp
    assert all(link.zero + got == pytest.approx(link.stamp) for _, got in link.send(3600, rate, 5.0))
    assert link.stamp - zero == pytest.approx(3600 * rate, abs=0.1)
    assert not link.doubted


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fps", [1.0, 5.0, 25.0])
def test_jitter_is_not_doubted(seed: int, fps: float) -> None:
    chance = random.Random(seed)
    link = Link(lambda: chance.uniform(0, 0.5))
    assert off(link.send(1200, 1.0, fps)) < 1e-6
    assert not link.doubted


Late = Callable[[float], float]  # the delay of a packet by when it is sent, both in seconds


def uniform(chance: random.Random, most: float) -> Late:
    """Every packet is late by itself."""
    return lambda _: chance.uniform(0, most)


def bursts(chance: random.Random, most: float) -> Late:
    """Now and then all packets of about a second are late."""
    ends = changes = 0.0
    delay = 0.0

    def late(sent: float) -> float:
        nonlocal ends, changes, delay
        if sent >= ends:
            bad = changes % 2
            changes += 1
            ends = sent + chance.expovariate(1 if bad else 1 / 6)
            delay = chance.uniform(0.3, 1) * most if bad else 0.0
        return delay + chance.uniform(0, 0.05)

    return late


def queue(chance: random.Random, most: float) -> Late:
    """A buffer in the network fills within 2 to 20 seconds, and empties faster or stays half full (buffer bloat)."""
    began = ends = full = fills = 0.0

    def late(sent: float) -> float:
        nonlocal began, ends, full, fills
        if sent >= ends:
            began, full = sent, fills
            empties = full > 0 and chance.random() < 0.7
            fills = 0.0 if empties else chance.uniform(0.3, 1) * most
            ends = sent + (chance.uniform(0.2, 2) if empties else chance.uniform(2, 20))
        return full + (fills - full) * (sent - began) / (ends - began) + chance.uniform(0, 0.02)

    return late


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("fps", [1.0, 15.0])
@pytest.mark.parametrize("model", [uniform, bursts, queue])
def test_a_network_that_delays_by_a_second_is_not_doubted(
    model: Callable[[random.Random, float], Late], fps: float, seed: int
) -> None:
    late = model(random.Random(seed), 1.0)
    link = Link(lambda: late(link.sent))
    assert off(link.send(600, 1.0, fps)) < 1e-6
    assert not link.doubted


@pytest.mark.parametrize("fps", [5.0, 25.0])
def test_a_queue_that_looked_like_a_slow_camera_is_forgiven_when_it_has_emptied(fps: float) -> None:
    def late() -> float:
        at = link.sent - BEGAN
        return max(0.0, 0.2 * (at - 60)) if at < 75 else 0.0

    link = Link(late)
    assert off(link.send(75, 1.0, fps)) > 1  # nothing tells a queue of three seconds from a slow camera yet
    assert link.doubted
    assert off(link.send(30, 1.0, fps), after=80.0) < 0.5
    assert not link.doubted
    assert off(link.send(30, 1.0, fps)) < 1e-6  # the time stamps are its times again


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fps", [5.0, 15.0])
def test_a_queue_that_delays_sound_and_pictures_alike_is_not_taken_for_a_slow_camera(fps: float, seed: int) -> None:
    late = queue(random.Random(seed), 2.5)
    link = Link(lambda: late(link.sent))
    assert off(both(link, 600, 1.0, fps)) < 1e-6
    assert not link.doubted


@pytest.mark.parametrize("rate", [0.5, 0.84, 1.42])
def test_a_camera_of_which_sound_and_pictures_are_slow_alike_is_noticed_all_the_same(rate: float) -> None:
    link = Link()
    assert off(both(link, 300, rate), after=40.0) < 0.3
    assert link.doubted


def both(link: Link, seconds: float, rate: float, fps: float = 25.0) -> Iterator[tuple[float, float]]:
    """Send sound with each picture; yield of pictures when each was sent and the time that it got."""
    for sent, got in link.send(seconds, rate, fps):
        link.judge.correct("audio", link.stamp)
        yield sent, got


@pytest.mark.parametrize("model", [uniform, bursts, queue])
@pytest.mark.parametrize("rate", [0.0, 0.84, 1.42])
def test_a_network_that_delays_by_a_second_does_not_hide_a_rate_that_is_wrong(
    model: Callable[[random.Random, float], Late], rate: float
) -> None:
    late = model(random.Random(3), 1.0)
    link = Link(lambda: late(link.sent))
    assert off(link.send(300, rate), after=30.0) < 1.3 + SLACK_S
    assert link.doubted


@pytest.mark.parametrize("seed", range(5))
def test_outages_that_are_made_up_for_are_not_doubted(seed: int) -> None:
    """TCP repeats what was lost: nothing for seconds, then all of it at once."""
    chance = random.Random(seed)
    link = Link(lambda: chance.uniform(0, 0.1) + (chance.uniform(1, 8) if chance.random() < 0.003 else 0))
    assert off(link.send(1200)) < 1e-6
    assert not link.doubted


@pytest.mark.parametrize("jump", [7200.0, -7200.0, 3.0, -3.0])
def test_a_clock_that_is_set_is_not_doubted(jump: float) -> None:
    link = Link()
    for _ in range(20):
        list(link.send(7))
        link.stamp += jump
    assert not link.doubted


@pytest.mark.parametrize("rate", [0.84, 1.42])
def test_jitter_does_not_hide_a_rate_that_is_wrong(rate: float) -> None:
    chance = random.Random(1)
    link = Link(lambda: chance.uniform(0, 0.3))
    assert off(link.send(300, rate), after=15.0) < 0.3 + SLACK_S
    assert link.doubted


def test_a_recording_that_is_sent_faster_than_it_was_made_keeps_its_times() -> None:
    link = Link()
    assert all(got == pytest.approx(8 * sent) for sent, got in link.send(100, 8.0))


def test_each_track_is_judged_for_itself() -> None:
    """The frame rate is not as promised; the microphone's clock is right."""
    link = Link()
    list(link.send(60, 0.84))
    sound = link.stamp
    assert all(link.judge.correct("audio", sound + n * 0.02) == sound + n * 0.02 for n in range(1000))


def test_a_camera_whose_frame_rate_changes_with_the_light() -> None:
    link = Link()
    for rate in (0.84, 0.48, 1.0, 0.48):
        assert off(link.send(40, rate), after=link.sent - BEGAN + 11.0) < 0.35


def test_time_stamps_that_run_with_time_again_are_trusted_again() -> None:
    link = Link()
    list(link.send(30, 0.84))
    assert link.doubted
    list(link.send(600))
    assert not link.doubted
    before = [(sent, got) for sent, got in link.send(10)]
    assert all(got - sent == pytest.approx(before[0][1] - before[0][0]) for sent, got in before)


def test_the_next_connection_is_doubted_from_its_beginning() -> None:
    link = Link()
    list(link.send(30, 0.84))
    link.now = link.sent = link.now + 20.0
    link.connect()
    assert off(link.send(30, 0.84)) < 0.3


def test_time_never_steps_back() -> None:
    link = Link()
    times = [got for rate in (1.42, 0.3, 1.0) for _, got in link.send(60, rate)]
    assert times == sorted(times)


def test_one_warning_says_how_fast_the_time_stamps_run() -> None:
    with structlog.testing.capture_logs() as logs:
        link = Link()
        for _ in range(3):
            list(link.send(30, 0.84))
            list(link.send(600))
    assert [(x["event"], x["camera"], x["video_seconds_per_second"]) for x in logs] == [
        ("time_stamps_doubted", "door", pytest.approx(0.84, abs=0.01))
    ]
