"""Alive is who gets on; ready is who can see and keep."""

import json
from dataclasses import replace
from typing import Any

import pytest

from daemon.observability.camera_state import CameraState
from daemon.observability.health import (
    BEAT_STUCK_S,
    ENCODER_STUCK_S,
    STALL_FACTOR,
    HealthReport,
    health,
    is_alive,
    ready,
)
from daemon.observability.snapshot import DaemonSnapshot, EncoderSnapshot, SpeechSnapshot
from tests.support.camera_status import camera_status
from tests.support.clocks import FakeClock
from workers.decisions.snapshot import StreamSnapshot, StreamState
from workers.publish.base import SinkSnapshot
from workers.services.batcher import BatcherSnapshot
from workers.types import ModelInfo, SourceSnapshot

CLOCK = FakeClock()
NOW = CLOCK.now
MODEL = ModelInfo("lite/lite0@1", "lite", "lite0", "1", 384, "Apache-2.0", "cpu", 20.0)
RUNNING = StreamSnapshot("front", StreamState.RUNNING, live=True, stall_timeout_s=15, source=SourceSnapshot(up=True))
GOOD = DaemonSnapshot(
    cameras=(camera_status(RUNNING),),
    encoder=EncoderSnapshot(MODEL, progress=NOW),
    speech=SpeechSnapshot(),
    publisher=SinkSnapshot(),
    beat=NOW - 1,
)
LONG = 15 * STALL_FACTOR + 1


def test_who_gets_on_is_alive() -> None:
    report = health(GOOD, CLOCK)
    assert report.ok
    assert report.problems == ()
    assert report.details["cameras"]["front"]["state"] == "up"


@pytest.mark.parametrize("live", [True, False])
def test_a_stream_that_stands_still_is_stuck(live: bool) -> None:
    stuck = replace(RUNNING, live=live, source=SourceSnapshot(up=live))
    both = (camera_status(RUNNING), camera_status(replace(stuck, camera="back"), idle_s=LONG - 1))
    report = health(replace(GOOD, cameras=both), CLOCK)
    assert not report.ok
    assert report.problems == (f"camera back: no progress for {LONG:.0f} s",)
    assert report.details["cameras"]["back"]["state"] == "stalled"


def test_detectors_that_hang_are_stuck() -> None:
    def at_work(seconds: float) -> HealthReport:
        return health(replace(GOOD, detector=BatcherSnapshot(in_flight_s=seconds)), CLOCK)

    assert at_work(20.0).ok
    assert at_work(61.0).problems == ("detector: no progress for 62 s",)


def test_the_supervisor_gets_its_chance_before_the_daemon_is_called_dead() -> None:
    report = health(replace(GOOD, cameras=(camera_status(RUNNING, idle_s=20.0),)), CLOCK)
    assert report.ok
    assert report.details["cameras"]["front"]["state"] == "stalled"


@pytest.mark.parametrize(
    ("stream", "state"),
    [
        (replace(RUNNING, source=SourceSnapshot(up=False)), "reconnecting"),
        (replace(RUNNING, state=StreamState.FINISHED), "ended"),
        (replace(RUNNING, state=StreamState.FAILED, error="source_invalid: no media"), StreamState.FAILED),
        (replace(RUNNING, state=StreamState.STARTING), StreamState.STARTING),
    ],
)
def test_who_waits_for_a_reason_is_not_stuck(stream: StreamSnapshot, state: str) -> None:
    seen = replace(GOOD, cameras=(camera_status(stream, idle_s=1e5),))
    assert is_alive(seen, CLOCK)
    assert health(seen, CLOCK).details["cameras"]["front"]["state"] == state
    assert health(seen, CLOCK).details["cameras"]["front"]["error"] == stream.error


@pytest.mark.parametrize("state", [CameraState.STOPPING, CameraState.BACKING_OFF, CameraState.DEGRADED])
def test_a_camera_that_the_supervisor_repairs_is_not_stuck(state: CameraState) -> None:
    report = health(replace(GOOD, cameras=(replace(camera_status(RUNNING, idle_s=1e5), state=state),)), CLOCK)
    assert report.ok
    assert report.details["cameras"]["front"]["state"] == state.value


SEEN = SourceSnapshot(up=True, frames_sampled=9)


def cameras(*unseen_s: float, **fields: Any) -> DaemonSnapshot:
    """Four cameras of which the last ones have given nothing for so long."""
    streams = [replace(RUNNING, camera=f"c{n}", source=SEEN) for n in range(4)]
    waits = [0.0] * (4 - len(unseen_s)) + list(unseen_s)
    made = (camera_status(s, unseen_s=w) for s, w in zip(streams, waits, strict=True))
    return replace(GOOD, cameras=tuple(replace(c, **fields) if c.unseen_s else c for c in made), beat=NOW)


def test_cameras_that_give_nothing_are_listed_and_the_daemon_is_degraded() -> None:
    report = health(cameras(85.0, 150.0, 150.0, state=CameraState.RECONNECTING), CLOCK)
    assert report.ok
    body = report.as_json()
    assert (body["status"], body["down"]) == ("degraded", ["c1", "c2", "c3"])
    assert body["problems"][0] == "camera c1: no frame for 85 s (reconnecting)"
    assert is_alive(cameras(150.0), CLOCK)


def test_only_when_all_are_down_it_fails_and_even_then_it_is_alive() -> None:
    everything = cameras(150.0, 150.0, 150.0, 150.0, state=CameraState.BACKING_OFF)
    assert not health(everything, CLOCK).ok
    assert health(everything, CLOCK).as_json()["status"] == "failing"
    assert is_alive(everything, CLOCK)
    others = tuple(replace(c, state=CameraState.ENDED) for c in everything.cameras[:3])
    assert not health(replace(everything, cameras=(*others, everything.cameras[3])), CLOCK).ok
    assert health(replace(everything, cameras=others), CLOCK).as_json()["status"] == "ok"  # nothing more is expected


@pytest.mark.parametrize("state", list(CameraState))
@pytest.mark.parametrize("unseen_s", [0.0, 20.0, 1e4])
def test_a_short_outage_is_none_and_an_end_neither(unseen_s: float, state: CameraState) -> None:
    down = health(replace(cameras(1.0), cameras=cameras(1.0).cameras[:3]), CLOCK).down
    assert down == ()
    camera = replace(cameras(1.0).cameras[3], state=state, unseen_s=unseen_s)
    expected = state not in (CameraState.ENDED, CameraState.STOPPING)
    late = unseen_s > 30 or state is CameraState.FAILED
    assert bool(health(replace(GOOD, cameras=(camera,)), CLOCK).down) == (expected and late)


def test_a_camera_may_take_its_time_to_begin_and_to_give_its_rare_frames() -> None:
    never = replace(RUNNING, source=SourceSnapshot())
    rare = replace(RUNNING, source=SEEN, stall_timeout_s=120.0)
    heard = replace(RUNNING, source=SourceSnapshot(up=True, has_video=False, last_sound_wall=1.0))
    for stream, patience in ((never, 60), (rare, 240), (heard, 30)):
        for unseen, down in ((patience - 5, False), (patience + 5, True)):
            seen = replace(GOOD, cameras=(camera_status(stream, unseen_s=unseen),), beat=NOW)
            assert bool(health(seen, CLOCK).down) == down, stream
    assert "no sound" in health(replace(GOOD, cameras=(camera_status(heard, unseen_s=99),)), CLOCK).problems[0]


def test_a_file_that_waits_for_its_turn_is_not_down_and_uploads_never_are() -> None:
    file = replace(RUNNING, live=False, source=SEEN)
    assert health(replace(GOOD, cameras=(camera_status(file, unseen_s=1e4),)), CLOCK).down == ()
    failed = replace(RUNNING, camera="uploads", state=StreamState.FAILED)
    assert health(replace(GOOD, cameras=(camera_status(failed, unseen_s=1e4),)), CLOCK).ok


def test_an_encoder_or_a_supervisor_that_stands_still_is_stuck() -> None:
    encoder = replace(GOOD.encoder, progress=NOW - ENCODER_STUCK_S - 1)
    report = health(replace(GOOD, encoder=encoder, beat=NOW - BEAT_STUCK_S - 1), CLOCK)
    assert [p.partition(":")[0] for p in report.problems] == ["encoder", "supervisor"]


def test_ready_once_models_are_loaded_and_events_are_kept() -> None:
    assert ready(GOOD, CLOCK).ok
    assert ready(DaemonSnapshot(), CLOCK).problems == ("models are not loaded yet", "publishing has not started yet")


@pytest.mark.parametrize(
    ("connected", "spool_accepts", "ok"),
    [(True, True, True), (False, True, True), (True, False, True), (False, False, False)],
)
def test_redis_or_the_spool_is_enough(connected: bool, spool_accepts: bool, ok: bool) -> None:
    publisher = SinkSnapshot(connected=connected, spool_accepts=spool_accepts)
    assert ready(replace(GOOD, publisher=publisher), CLOCK).ok is ok


def test_details_say_what_lite_cannot_do_and_the_line_that_changes_it() -> None:
    report = ready(replace(GOOD, cameras=(camera_status(RUNNING, restarts=3, degraded=True),)), CLOCK)
    assert "not what people do" in report.details["encoder"]["note"]
    assert "models: {profile: open_clip}" in report.details["encoder"]["note"]
    camera = report.details["cameras"]["front"]
    assert (camera["restarts"], camera["degraded"]) == (3, True)
    assert json.loads(json.dumps(report.as_json()))["status"] == "ok"


def test_details_say_which_event_is_over_budget_and_what_it_looks_like() -> None:
    stream = replace(RUNNING, over_budget={"cat": 1.5}, look_alikes={"cat": "plush toy", "dog": "fox"})
    camera = ready(replace(GOOD, cameras=(camera_status(stream),)), CLOCK).details["cameras"]["front"]
    assert camera["over_budget"] == {"cat": {"events_a_day": 36.0, "looks_like": "plush toy"}}


def test_other_profiles_have_no_note() -> None:
    clip = replace(GOOD, encoder=replace(GOOD.encoder, model=replace(MODEL, profile="open_clip")))
    assert "note" not in ready(clip, CLOCK).details["encoder"]


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_stepped_clock_changes_nothing(hours: int) -> None:
    class Stepped(FakeClock):
        def wall(self) -> float:
            return super().wall() + 3600 * hours

    fresh = replace(RUNNING, source=SourceSnapshot(up=True, last_frame_wall=CLOCK.wall()))
    report = health(replace(GOOD, cameras=(camera_status(fresh),)), Stepped())
    assert report.ok
    assert report.details["cameras"]["front"]["state"] == "up"
    assert report.details["cameras"]["front"]["last_frame_age_s"] >= 0
