"""Alive is who gets on; ready is who can see and keep."""

import json
from dataclasses import replace

import pytest
from fake_clock import FakeClock

from daemon.health import BEAT_STUCK_S, ENCODER_STUCK_S, STALL_FACTOR, health, ready
from daemon.snapshots import DaemonSnapshot, EncoderSnapshot
from workers.publish.base import SinkSnapshot
from workers.snapshots import StreamSnapshot
from workers.speech_queue import SpeechSnapshot
from workers.types import ModelInfo, SourceSnapshot

CLOCK = FakeClock()
NOW = CLOCK.now
MODEL = ModelInfo("lite/lite0@1", "lite", "lite0", "1", 384, "Apache-2.0", "cpu", 20.0)
RUNNING = StreamSnapshot("front", "running", live=True, stall_timeout_s=15, source=SourceSnapshot(up=True))
GOOD = DaemonSnapshot(
    streams=(RUNNING,),
    encoder=EncoderSnapshot(MODEL, progress=NOW),
    speech=SpeechSnapshot(0, {}, 0, 0.0, 0.0),
    publisher=SinkSnapshot(),
    beat=NOW - 1,
)
LONG = 15 * STALL_FACTOR + 1


def test_who_gets_on_is_alive() -> None:
    report = health(GOOD, CLOCK)
    assert report.ok
    assert report.problems == ()
    assert report.details["cameras"]["front"]["state"] == "running"


@pytest.mark.parametrize("live", [True, False])
def test_a_stream_that_stands_still_is_stuck(live: bool) -> None:
    stuck = replace(RUNNING, live=live, source=SourceSnapshot(up=live))
    both = (RUNNING, replace(stuck, camera="back"))
    report = health(replace(GOOD, streams=both, idle_s={"front": 0.0, "back": LONG - 1}), CLOCK)
    assert not report.ok
    assert report.problems == (f"camera back: no progress for {LONG:.0f} s",)
    assert report.details["cameras"]["back"]["state"] == "stalled"


def test_the_supervisor_gets_its_chance_before_the_daemon_is_called_dead() -> None:
    report = health(replace(GOOD, idle_s={"front": 20.0}), CLOCK)
    assert report.ok
    assert report.details["cameras"]["front"]["state"] == "stalled"


@pytest.mark.parametrize(
    ("stream", "state"),
    [
        (replace(RUNNING, source=SourceSnapshot(up=False)), "reconnecting"),
        (replace(RUNNING, state="finished"), "finished"),
        (replace(RUNNING, state="failed", error="source_invalid: no media"), "failed"),
        (replace(RUNNING, state="starting"), "starting"),
    ],
)
def test_who_waits_for_a_reason_is_not_stuck(stream: StreamSnapshot, state: str) -> None:
    report = health(replace(GOOD, streams=(stream,), idle_s={"front": 1e5}), CLOCK)
    assert report.ok
    assert report.details["cameras"]["front"]["state"] == state
    assert report.details["cameras"]["front"]["error"] == stream.error


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
    report = ready(replace(GOOD, restarts={"front": 3}, degraded=frozenset({"front"})), CLOCK)
    assert "not what people do" in report.details["encoder"]["note"]
    assert "models: {profile: open_clip}" in report.details["encoder"]["note"]
    camera = report.details["cameras"]["front"]
    assert (camera["restarts"], camera["degraded"]) == (3, True)
    assert json.loads(json.dumps(report.as_json()))["status"] == "ok"


def test_other_profiles_have_no_note() -> None:
    clip = replace(GOOD, encoder=replace(GOOD.encoder, model=replace(MODEL, profile="open_clip")))
    assert "note" not in ready(clip, CLOCK).details["encoder"]


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_stepped_clock_changes_nothing(hours: int) -> None:
    class Stepped(FakeClock):
        def wall(self) -> float:
            return super().wall() + 3600 * hours

    fresh = replace(RUNNING, source=SourceSnapshot(up=True, last_frame_wall=CLOCK.wall()))
    report = health(replace(GOOD, streams=(fresh,)), Stepped())
    assert report.ok
    assert report.details["cameras"]["front"]["state"] == "running"
    assert report.details["cameras"]["front"]["last_frame_age_s"] >= 0
