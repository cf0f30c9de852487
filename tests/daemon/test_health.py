"""Alive is who gets on; ready is who can see and keep."""

import json
from dataclasses import replace

import pytest

from daemon.health import BEAT_STUCK_S, ENCODER_STUCK_S, STALL_FACTOR, health, ready
from daemon.snapshots import DaemonSnapshot, EncoderSnapshot
from workers.publish.base import SinkSnapshot
from workers.snapshots import StreamSnapshot
from workers.speech_queue import SpeechSnapshot
from workers.types import ModelInfo, SourceSnapshot

NOW = 10_000.0
MODEL = ModelInfo("lite/lite0@1", "lite", "lite0", "1", 384, "Apache-2.0", "cpu", 20.0)
RUNNING = StreamSnapshot(
    "front", "running", live=True, progress_wall=NOW - 1, stall_timeout_s=15, source=SourceSnapshot(up=True)
)
GOOD = DaemonSnapshot(
    streams=(RUNNING,),
    encoder=EncoderSnapshot(MODEL, progress_wall=NOW),
    speech=SpeechSnapshot(0, {}, 0, 0.0, 0.0),
    publisher=SinkSnapshot(),
    beat_wall=NOW - 1,
)
LONG = 15 * STALL_FACTOR + 1


def test_who_gets_on_is_alive() -> None:
    report = health(GOOD, NOW)
    assert report.ok
    assert report.problems == ()
    assert report.details["cameras"]["front"]["state"] == "running"


@pytest.mark.parametrize("live", [True, False])
def test_a_stream_that_stands_still_is_stuck(live: bool) -> None:
    stuck = replace(RUNNING, live=live, progress_wall=NOW - LONG, source=SourceSnapshot(up=live))
    report = health(replace(GOOD, streams=(RUNNING, replace(stuck, camera="back"))), NOW)
    assert not report.ok
    assert report.problems == (f"camera back: no progress for {LONG:.0f} s",)
    assert report.details["cameras"]["back"]["state"] == "stalled"


def test_the_supervisor_gets_its_chance_before_the_daemon_is_called_dead() -> None:
    slow = replace(RUNNING, progress_wall=NOW - 20)
    report = health(replace(GOOD, streams=(slow,)), NOW)
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
    report = health(replace(GOOD, streams=(replace(stream, progress_wall=0.0),)), NOW)
    assert report.ok
    assert report.details["cameras"]["front"]["state"] == state
    assert report.details["cameras"]["front"]["error"] == stream.error


def test_an_encoder_or_a_supervisor_that_stands_still_is_stuck() -> None:
    encoder = replace(GOOD.encoder, progress_wall=NOW - ENCODER_STUCK_S - 1)
    report = health(replace(GOOD, encoder=encoder, beat_wall=NOW - BEAT_STUCK_S - 1), NOW)
    assert [p.partition(":")[0] for p in report.problems] == ["encoder", "supervisor"]


def test_ready_once_models_are_loaded_and_events_are_kept() -> None:
    assert ready(GOOD, NOW).ok
    assert ready(DaemonSnapshot(), NOW).problems == ("models are not loaded yet", "publishing has not started yet")


@pytest.mark.parametrize(
    ("connected", "spool_accepts", "ok"),
    [(True, True, True), (False, True, True), (True, False, True), (False, False, False)],
)
def test_redis_or_the_spool_is_enough(connected: bool, spool_accepts: bool, ok: bool) -> None:
    publisher = SinkSnapshot(connected=connected, spool_accepts=spool_accepts)
    assert ready(replace(GOOD, publisher=publisher), NOW).ok is ok


def test_details_say_what_lite_cannot_do_and_the_line_that_changes_it() -> None:
    report = ready(replace(GOOD, restarts={"front": 3}, degraded=frozenset({"front"})), NOW)
    assert "not what people do" in report.details["encoder"]["note"]
    assert "models: {profile: open_clip}" in report.details["encoder"]["note"]
    camera = report.details["cameras"]["front"]
    assert (camera["restarts"], camera["degraded"]) == (3, True)
    assert json.loads(json.dumps(report.as_json()))["status"] == "ok"


def test_other_profiles_have_no_note() -> None:
    clip = replace(GOOD, encoder=replace(GOOD.encoder, model=replace(MODEL, profile="open_clip")))
    assert "note" not in ready(clip, NOW).details["encoder"]
