"""Supervision: what fails is started again, what is stuck is killed, what is done is left alone."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from daemon.service.supervised_camera import RESTARTS
from daemon.service.supervisor import (
    DEGRADED_RETRY_S,
    RETRY_S,
    START_DEADLINE_S,
    STOP_DEADLINE_S,
    Supervisor,
)
from tests.support.clocks import FakeClock
from workers.decisions.snapshot import StreamSnapshot, StreamState
from workers.decisions.stream_rules import RulesOrder
from workers.errors import ModelUnavailable, ServiceDied, SourceInvalid, SourceTimeout
from workers.redaction import RedactedUrl
from workers.telemetry import Histogram
from workers.types import CameraSpec, SourceSnapshot

CAMERA = CameraSpec("cam", RedactedUrl("rtsp://host/a"), stall_timeout_s=10.0)
FILE = CameraSpec("cam", RedactedUrl("video.mp4"), stall_timeout_s=10.0)


class Stream:
    """A stream whose state the test sets."""

    def __init__(self, clock: FakeClock) -> None:
        up = SourceSnapshot(up=True)
        self.state = StreamSnapshot(
            "cam", StreamState.RUNNING, True, stall_timeout_s=10.0, progress_wall=clock.wall(), source=up
        )
        self.asked = self.killed = False
        self.dead = False
        self.orders: list[RulesOrder] = []
        self.obeys = True

    def snapshot(self) -> StreamSnapshot:
        if self.dead:
            raise ServiceDied("an actor died")
        return self.state

    def change_rules(self, order: RulesOrder) -> None:
        self.orders.append(order)

    def stop(self) -> None:
        self.asked = True
        if self.obeys:
            self.state = replace(self.state, state=StreamState.FINISHED)

    def kill(self) -> None:
        self.killed = True

    def fail(self, retryable: bool = True) -> None:
        failure = SourceTimeout("no data") if retryable else SourceInvalid("no media")
        self.state = replace(self.state, state=StreamState.FAILED, error=f"{failure.code}: {failure}", failure=failure)


class Streams:
    """A runtime that starts such streams."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.started: list[Stream] = []
        self.opening: StreamSnapshot | None = None  # the state in which a stream starts, if not running at once

    def start_stream(self, camera: CameraSpec, events: object) -> Stream:
        self.started.append(Stream(self.clock))
        self.started[-1].state = self.opening or self.started[-1].state
        return self.started[-1]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def supervised(clock: FakeClock, retry: bool = True, camera: CameraSpec = CAMERA) -> tuple[Supervisor, Streams]:
    streams = Streams(clock)
    supervisor = Supervisor(streams, clock, retry, raise_illegal=True)  # type: ignore[arg-type]  # only start_stream is asked for
    supervisor.watch(camera, ())
    supervisor.step()
    return supervisor, streams


def advance(supervisor: Supervisor, clock: FakeClock, seconds: float) -> None:
    for _ in range(round(seconds * 2)):
        clock.now += 0.5
        supervisor.step()


def test_a_failed_stream_is_started_again_after_a_while(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    streams.started[0].fail()
    supervisor.step()
    assert len(streams.started) == 1
    advance(supervisor, clock, 3)
    assert len(streams.started) == 2
    assert supervisor.cameras[0].restarts == 1


def test_what_will_not_be_found_is_logged_once_whatever_happens_to_the_stream(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    with capture_logs() as logs:
        for _ in range(2):
            streams.started[-1].state = replace(streams.started[-1].state, warnings=("event 'fire': not known",))
            advance(supervisor, clock, 1)
            streams.started[-1].fail()
            advance(supervisor, clock, 3)
    assert len(streams.started) == 3
    said = [(line["event"], line["camera"]) for line in logs if line["log_level"] == "warning"]
    assert said == [("event 'fire': not known", "cam")]


def counted(stream: Stream, clock: FakeClock, frames: int) -> StreamSnapshot:
    seconds = Histogram()
    seconds.observe(frames)
    lost = {"source_reset": frames}
    source = SourceSnapshot(True, frames, frames, {"overload": frames}, lost, lost, clock.wall())
    by_name, stages = {"new": frames}, {"encode": seconds.snapshot()}
    snapshot = replace(stream.state, source=source, stages=stages, events=by_name, suppressed=by_name)
    return replace(snapshot, latency=seconds.snapshot())


def test_counters_go_on_where_a_stream_begins_anew_and_where_a_camera_comes_again(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    streams.started[0].state = counted(streams.started[0], clock, 3)
    supervisor.step()
    streams.started[0].fail()
    supervisor.step()
    advance(supervisor, clock, 3)
    streams.started[1].state = counted(streams.started[1], clock, 4)
    for _ in range(2):
        supervisor.step()
        (seen,) = (c.stream for c in supervisor.statuses)
        assert (seen.source.frames_decoded, seen.source.frames_sampled) == (7, 7)
        assert (seen.source.dropped, seen.source.failures) == ({"overload": 7}, {"source_reset": 7})
        assert seen.source.reconnects == {"source_reset": 7}
        assert (seen.events, seen.suppressed) == ({"new": 7}, {"new": 7})
        assert seen.latency == seen.stages["encode"]
        assert (seen.latency.total, seen.latency.count) == (7.0, 2)
    streams.started[1].state = replace(streams.started[1].state, state=StreamState.FINISHED)
    supervisor.step()
    supervisor.forget("cam")
    (gone,) = (c.stream for c in supervisor.statuses)
    assert (gone.state, gone.source.up, gone.source.frames_decoded, gone.events) == ("finished", False, 7, {"new": 7})
    supervisor.watch(CAMERA, ())
    supervisor.step()
    streams.started[2].state = counted(streams.started[2], clock, 5)
    supervisor.step()
    (again,) = (c.stream for c in supervisor.statuses)
    assert (again.state, again.source.frames_decoded, again.events) == ("running", 12, {"new": 12})


def test_five_restarts_in_a_minute_degrade_and_it_is_never_given_up(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    while not supervisor.cameras[0].degraded:
        streams.started[-1].fail()
        advance(supervisor, clock, 1)
        assert len(streams.started) <= RESTARTS + 1
    seen = len(streams.started)
    advance(supervisor, clock, RETRY_S - 1)
    assert len(streams.started) == seen
    advance(supervisor, clock, 2)
    assert len(streams.started) == seen + 1
    for _ in range(1200):
        streams.started[-1].fail()
        advance(supervisor, clock, 0.5)
    seen = len(streams.started)
    for _ in range(2 * round(DEGRADED_RETRY_S) + 2):
        streams.started[-1].fail()
        advance(supervisor, clock, 0.5)
    assert len(streams.started) == seen + 1


def test_a_stream_that_recovered_is_no_longer_degraded(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    for _ in range(RESTARTS + 2):
        streams.started[-1].fail()
        while streams.started[-1].state.state == "failed":
            advance(supervisor, clock, 0.5)
    assert supervisor.cameras[0].degraded
    for _ in range(120):
        streams.started[-1].state = replace(streams.started[-1].state, progress_wall=clock.wall())
        advance(supervisor, clock, 1)
    assert not supervisor.cameras[0].degraded


def test_what_no_retry_can_help_is_not_retried(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock, camera=FILE)
    streams.started[0].fail(retryable=False)
    advance(supervisor, clock, 600)
    assert len(streams.started) == 1
    assert all(camera.done for camera in supervisor.cameras)
    assert supervisor.cameras[0].snapshot.error == f"source_invalid: {SourceInvalid('no media')}"


def test_a_live_camera_is_never_given_up(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    streams.started[0].state = StreamSnapshot("cam")  # it has not come to reading
    streams.started[0].fail(retryable=False)
    advance(supervisor, clock, 10)
    assert len(streams.started) == 2


def test_a_file_waits_for_its_models(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock, camera=FILE)
    streams.started[0].state = StreamSnapshot("cam", StreamState.FAILED, failure=ModelUnavailable("no room on the GPU"))
    advance(supervisor, clock, 10)
    assert len(streams.started) == 2


def test_once_does_not_retry(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock, retry=False)
    streams.started[0].fail()
    supervisor.step()
    assert all(camera.done for camera in supervisor.cameras)


def test_a_dead_actor_is_replaced(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    supervisor.step()
    assert supervisor.statuses[0].stream.source.up
    streams.started[0].dead = True
    supervisor.step()
    assert not supervisor.statuses[0].stream.source.up
    advance(supervisor, clock, 3)
    assert len(streams.started) == 2


def test_a_stuck_stream_is_asked_then_killed_then_replaced(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    first = streams.started[0]
    first.obeys = False
    advance(supervisor, clock, 39)
    assert not first.asked
    advance(supervisor, clock, 2)
    assert first.asked
    assert not first.killed
    advance(supervisor, clock, STOP_DEADLINE_S + 5)
    assert first.killed
    assert len(streams.started) == 2


def test_a_stuck_stream_that_obeys_is_replaced_too(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    advance(supervisor, clock, 50)
    assert streams.started[0].asked
    assert len(streams.started) == 2


def test_a_live_source_that_reconnects_by_itself_is_not_stuck(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    first = streams.started[0]
    first.state = replace(first.state, source=SourceSnapshot(up=False))
    advance(supervisor, clock, 600)
    assert not first.asked


def test_drain_keeps_its_deadline_where_streams_do_not_obey(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    for number in range(8):
        supervisor.watch(replace(CAMERA, name=f"slow{number}"), ())
    supervisor.step()
    for stream in streams.started:
        stream.obeys = False
    began = clock.now
    supervisor.drain(5.0)
    assert clock.now - began <= 5.2
    assert all(stream.killed for stream in streams.started)


def test_after_an_outage_of_a_minute_a_stream_runs_within_fifteen_seconds(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    for _ in range(120):
        streams.started[-1].fail()
        advance(supervisor, clock, 0.5)
    seen = len(streams.started)
    advance(supervisor, clock, RETRY_S + 0.5)
    assert len(streams.started) > seen


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_stepped_clock_neither_hides_a_standstill_nor_makes_one(clock: FakeClock, hours: int) -> None:
    supervisor, streams = supervised(clock)
    first = streams.started[0]
    for _ in range(120):  # it gets on, by a clock of its own that is stepped now and then
        first.state = replace(first.state, progress_wall=first.state.progress_wall + 0.5)
        advance(supervisor, clock, 0.5)
    first.state = replace(first.state, progress_wall=first.state.progress_wall + 3600 * hours)
    advance(supervisor, clock, 39)
    assert not first.asked
    advance(supervisor, clock, 3)
    assert first.asked


def test_a_supervisor_that_was_stopped_blames_no_stream(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    clock.now += 3600
    supervisor.step()
    advance(supervisor, clock, 30)
    assert not streams.started[0].asked


def test_drain_asks_everyone_and_kills_the_late(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    supervisor.watch(replace(CAMERA, name="late"), ())
    supervisor.step()
    streams.started[1].obeys = False
    assert supervisor.drain(2.0) is False
    assert (streams.started[0].asked, streams.started[0].killed) == (True, False)
    assert streams.started[1].killed


@pytest.mark.parametrize("kills", ["dies", "stands still", "cannot be read"])
def test_what_fails_again_and_again_is_given_up_where_others_wait_behind_it(clock: FakeClock, kills: str) -> None:
    streams = Streams(clock)
    supervisor = Supervisor(streams, clock, raise_illegal=True)  # type: ignore[arg-type]  # as above
    supervisor.watch(CAMERA, (), attempts=3)
    supervisor.step()
    for _ in range(600):
        streams.started[-1].dead = kills == "dies"
        if kills == "cannot be read":
            streams.started[-1].fail()
        advance(supervisor, clock, 1)
    assert len(streams.started) == 3
    assert all(s.killed for s in streams.started)
    assert supervisor.cameras[0].done
    assert supervisor.cameras[0].snapshot.state == "failed"


def test_opening_that_never_ends_is_stuck_but_a_camera_that_is_away_is_not(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    streams.started[0].state = streams.opening = StreamSnapshot("cam", StreamState.STARTING)
    advance(supervisor, clock, START_DEADLINE_S - 10)
    assert not streams.started[0].asked
    advance(supervisor, clock, 30)
    assert streams.started[0].asked
    advance(supervisor, clock, STOP_DEADLINE_S + 10)
    away = streams.started[-1]
    assert away is not streams.started[0]
    for _ in range(100):
        away.state = StreamSnapshot("cam", "starting", progress_wall=clock.wall(), error="source_unreachable: no")
        advance(supervisor, clock, 10)
    assert not away.asked


def unseen(supervisor: Supervisor) -> float:
    return supervisor.statuses[0].unseen_s


def test_how_long_a_camera_gives_nothing_is_measured_over_all_attempts(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    streams.started[0].state = counted(streams.started[0], clock, 3)
    advance(supervisor, clock, 0.5)
    assert unseen(supervisor) == 0
    advance(supervisor, clock, 10)
    assert unseen(supervisor) == pytest.approx(10)
    streams.started[0].fail()
    advance(supervisor, clock, 100)  # every attempt runs, and gives nothing
    for stream in streams.started[1:]:
        stream.fail()
    advance(supervisor, clock, 10)
    assert unseen(supervisor) == pytest.approx(120)
    streams.started[-1].state = counted(streams.started[-1], clock, 1)
    advance(supervisor, clock, 0.5)
    assert unseen(supervisor) == 0


def test_sound_is_enough_only_where_there_is_no_video(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    for has_video, most in ((True, 20), (False, 0)):
        for n in range(20):
            source = SourceSnapshot(up=True, has_video=has_video, last_sound_wall=clock.wall() + n)
            streams.started[0].state = replace(streams.started[0].state, source=source)
            advance(supervisor, clock, 1)
        assert unseen(supervisor) == pytest.approx(most, abs=1)
