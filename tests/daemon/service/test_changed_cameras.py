"""Cameras and rules that change while the supervisor runs: what goes on, what is started anew, what is gone."""

from dataclasses import replace

import pytest

from daemon.observability.camera_state import CameraState
from daemon.service.supervisor import (
    RULES_DEADLINE_S,
    STOP_DEADLINE_S,
    Supervisor,
)
from tests.daemon.service.test_supervisor import CAMERA, FILE, Streams, advance, counted, supervised
from tests.support.clocks import FakeClock
from tests.support.streams.pipelines import ColourEncoder, MemorySink, services_of
from workers.decisions.snapshot import StreamState
from workers.decisions.stream_rules import RulesOrder
from workers.redaction import RedactedUrl
from workers.types import EventSpec


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


RED, BLUE = EventSpec("red", ("red",)), EventSpec("blue", ("blue",))


def ordered(*events: EventSpec, config_hash: str = "new") -> RulesOrder:
    return RulesOrder(events, services_of(ColourEncoder(), MemorySink()), config_hash)


def test_changed_rules_go_to_the_running_stream_and_to_its_successors(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    order = ordered(RED)
    supervisor.configure(replace(CAMERA, events=("red",)), order)
    assert (streams.started[0].orders, streams.started[0].asked) == ([order], False)
    streams.started[0].fail()
    advance(supervisor, clock, 3)
    assert supervisor.cameras[0].events == (RED,)
    assert len(streams.started) == 2


def decide(supervisor: Supervisor, streams: Streams, clock: FakeClock, seconds: float, config_hash: str = "") -> None:
    """Let a live stream decide for so long, by the rules of a configuration."""
    for _ in range(round(2 * seconds)):
        state = streams.started[0].state
        if state.state is StreamState.RUNNING:
            state = replace(state, progress_wall=clock.now, position_s=clock.now, config_hash=config_hash)
            streams.started[0].state = state
        advance(supervisor, clock, 0.5)


def test_a_stream_that_does_not_take_up_its_rules_is_restarted(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    supervisor.configure(CAMERA, ordered(RED))
    decide(supervisor, streams, clock, RULES_DEADLINE_S - 2)
    assert len(streams.started) == 1
    decide(supervisor, streams, clock, 5)
    assert len(streams.started) == 2
    assert supervisor.cameras[0].state is not CameraState.FAILED


def test_a_stream_that_took_them_up_is_left_alone(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    supervisor.configure(CAMERA, ordered(RED))
    decide(supervisor, streams, clock, 2 * RULES_DEADLINE_S, config_hash="new")
    assert (len(streams.started), streams.started[0].asked) == (1, False)


def test_a_stream_that_waits_for_room_on_a_disk_is_not_restarted_for_its_rules(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    decide(supervisor, streams, clock, 5)
    supervisor.configure(CAMERA, ordered(RED))
    for _ in range(4 * round(RULES_DEADLINE_S)):
        streams.started[0].state = replace(streams.started[0].state, progress_wall=clock.now)
        advance(supervisor, clock, 0.5)
    assert (len(streams.started), streams.started[0].asked) == (1, False)


def test_a_changed_camera_is_stopped_in_good_order_and_started_with_what_it_is_now(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    streams.started[0].state = counted(streams.started[0], clock, 5)
    supervisor.step()
    supervisor.configure(replace(CAMERA, fps=2), ordered(RED))
    assert streams.started[0].asked
    assert not streams.started[0].orders
    advance(supervisor, clock, 2)
    assert len(streams.started) == 2
    (camera,) = supervisor.cameras
    assert (camera.spec.fps, camera.events, camera.restarts, camera.state) == (2, (RED,), 0, CameraState.UP)
    assert camera.snapshot.source.frames_sampled == 5


def test_of_several_changes_while_it_stops_the_last_counts(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    streams.started[0].obeys = False
    supervisor.configure(replace(CAMERA, fps=2), ordered(RED))
    supervisor.remove("cam")
    supervisor.configure(replace(CAMERA, fps=3), ordered(BLUE))
    advance(supervisor, clock, STOP_DEADLINE_S - 1)
    assert len(streams.started) == 1
    advance(supervisor, clock, 2)
    assert streams.started[0].killed
    assert [(c.spec.fps, c.events) for c in supervisor.cameras] == [(3, (BLUE,))]


@pytest.mark.parametrize("waits", [False, True])
def test_a_removed_camera_is_gone_with_its_counters(clock: FakeClock, waits: bool) -> None:
    supervisor, streams = supervised(clock)
    if waits:  # for its next try
        streams.started[0].fail()
        supervisor.step()
    supervisor.remove("cam")
    advance(supervisor, clock, 1)
    assert supervisor.cameras == supervisor.statuses == ()
    advance(supervisor, clock, 60)
    assert len(streams.started) == 1


def test_a_file_that_failed_is_tried_again_once_it_is_changed(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock, camera=FILE)
    streams.started[0].fail(retryable=False)
    advance(supervisor, clock, 5)
    assert supervisor.cameras[0].done
    supervisor.configure(replace(FILE, url=RedactedUrl("other.mp4")), ordered(RED))
    advance(supervisor, clock, 1)
    assert len(streams.started) == 2


def test_a_new_camera_is_started(clock: FakeClock) -> None:
    supervisor, streams = supervised(clock)
    supervisor.configure(replace(CAMERA, name="yard"), ordered(RED))
    supervisor.step()
    assert [c.name for c in supervisor.cameras] == ["cam", "yard"]
    assert len(streams.started) == 2
