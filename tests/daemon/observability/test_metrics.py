"""The exposition holds exactly the agreed names and labels, and only closed sets."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemon.alerts.types import REASONS
from daemon.observability.metrics import (
    DROP_REASONS,
    FAILURE_REASONS,
    SPEECH_DROP_REASONS,
    SUPPRESS_REASONS,
    render_metrics,
)
from daemon.observability.snapshot import (
    LEFT_ALONE,
    AlertsSnapshot,
    CaptionsSnapshot,
    ConfigurationStatus,
    DaemonSnapshot,
    EncoderSnapshot,
    SpeechSnapshot,
    TargetSnapshot,
    UploadsSnapshot,
    VerificationSnapshot,
)
from daemon.vlm.types import VlmSnapshot
from tests.support.camera_status import camera_status
from workers.decisions.snapshot import StreamSnapshot, StreamState
from workers.index.types import IndexSnapshot
from workers.publish.base import SinkSnapshot
from workers.services.aligner import AlignerSnapshot
from workers.services.batcher import BatcherSnapshot
from workers.telemetry import Histogram, HistogramSnapshot
from workers.types import ModelInfo, SourceSnapshot

CONTRACT = {
    "stream_up": {"camera"},
    "stream_reconnects_total": {"camera", "reason"},
    "stream_failures_total": {"camera", "reason"},
    "last_frame_timestamp_seconds": {"camera"},
    "last_sound_timestamp_seconds": {"camera"},
    "time_stamps_doubted": {"camera"},
    "clip_buffer_bytes": {"camera"},
    "clips_total": {"camera", "result"},
    "frames_decoded_total": {"camera"},
    "frames_sampled_total": {"camera"},
    "frames_detected_total": set(),
    "frames_dropped_total": {"camera", "reason"},
    "stage_seconds": {"stage"},
    "batch_size": set(),
    "queue_depth": {"stage"},
    "aligner_batch_size": set(),
    "aligner_pass_seconds": set(),
    "aligner_windows": set(),
    "event_latency_seconds": set(),
    "events_total": {"camera", "type"},
    "events_suppressed_total": {"camera", "reason"},
    "rule_events_total": {"event", "type"},
    "score": {"camera", "event"},
    "event_threshold": {"camera", "event"},
    "budget_alerts_per_hour": {"camera", "event"},
    "budget_observed_seconds": {"camera", "event"},
    "budget_exceeded": {"camera", "event"},
    "alert_threshold": {"camera", "event"},
    "budget_observed_alerts_per_hour": {"camera", "event"},
    "overloaded": {"camera"},
    "speech_dropped_total": {"camera", "reason"},
    "speech_realtime_factor": set(),
    "publish_retries_total": set(),
    "data_removed_total": {"kind", "reason"},
    "uploads_total": {"result"},
    "uploads_left_alone": {"reason"},
    "alerts_total": {"target", "state"},
    "alert_failures_total": {"target"},
    "alerts_suppressed_total": {"reason"},
    "alert_target_up": {"target"},
    "alerts_waiting": {"target"},
    "alerts_oldest_seconds": {"target"},
    "alert_latency_seconds": {"target"},
    "verification_waiting": set(),
    "verification_oldest_seconds": set(),
    "verification_seconds": set(),
    "verification_failures_total": {"code"},
    "verdicts_total": {"verdict"},
    "captions_waiting": set(),
    "captions_total": {"kind"},
    "vlm_questions_total": {"model"},
    "vlm_failures_total": {"model", "code"},
    "vlm_seconds": {"model"},
    "vlm_tokens_total": {"model"},
    "vlm_calls_today": {"model"},
    "vlm_calls_left": {"model"},
    "vlm_tokens_today": {"model"},
    "index_bytes_total": {"camera"},
    "index_items_total": {"camera"},
    "index_lost_total": {"camera"},
    "index_stored_bytes": set(),
    "spool_accepts": set(),
    "event_log_damaged_total": set(),
    "spool_bytes": set(),
    "spool_oldest_seconds": set(),
    "config_last_reload_successful": set(),
    "config_last_reload_success_timestamp_seconds": set(),
    "model_info": {"model"},
}
MODEL = ModelInfo("lite/lite0@1", "lite", "lite0", "1", 384, "Apache-2.0", "cpu", 20.0)


def seconds(*values: float) -> HistogramSnapshot:
    histogram = Histogram()
    for value in values:
        histogram.observe(value)
    return histogram.snapshot()


def stream(camera: str = "front") -> StreamSnapshot:
    return StreamSnapshot(
        camera,
        StreamState.RUNNING,
        live=True,
        source=SourceSnapshot(
            up=True,
            frames_decoded=50,
            frames_sampled=10,
            dropped={"buffer_full": 3, "rtsp://u:p@h said no": 2, "what": 5},
            failures={"source_timeout": 9},
            reconnects={"source_timeout": 2, "Connection to rtsp://u:p@h": 1},
            last_frame_wall=1000.5,
            last_sound_wall=990.5,
            kept_bytes=10_000_000,
        ),
        clips={"saved": 3, "failed": 1},
        stages={"encode": seconds(0.01, 0.02, 99), "align": seconds(0.5)},
        latency=seconds(0.3),
        events={"new": 2, "end": 1},
        suppressed={"forgotten": 4},
        scores={"cat": 0.75},
        thresholds={"cat": 0.6},
        budgets={"cat": 0.5},
        budget_alerts={"cat": 0.25},
        budget_hours={"cat": 7.5},
        alert_thresholds={"cat": 0.97},
        over_budget={"cat": 1.5},
        queue_depth=2,
    )


FULL = DaemonSnapshot(
    cameras=(camera_status(stream("front")), camera_status(stream("back"), overloaded=True, speech_dropped=6)),
    encoder=EncoderSnapshot(MODEL, {1: 2, 8: 3, 500: 1}, queue_depth=1),
    detector=BatcherSnapshot(batches={1: 4, 8: 2}, queue_depth=5),
    aligner=AlignerSnapshot(sessions=2, batches={1: 5, 3: 2}, seconds=seconds(0.004, 0.004, 2.0), queue_depth=6),
    speech=SpeechSnapshot(queue_depth=4, realtime_factor=0.12),
    publisher=SinkSnapshot(retries=7, waiting=9, spool_bytes=2048, spool_oldest_s=1.5, log_damaged=3),
    index=IndexSnapshot({"front": 4096}, {"front": 8}, {"front": 1}, stored=9000),
    uploads=UploadsSnapshot(done=5, failed=1, waiting=3, left={"ending": 4}),
    removed={("evidence", "retention"): 3},
    rules={("bark", "new"): 2},
    alerts=AlertsSnapshot(
        {"phone": TargetSnapshot(False, 7, 2, 5, 4, 90.0, seconds(1.5))}, {"cooldown": 6, "muted": 0}
    ),
    verification=VerificationSnapshot(3, 4.5, seconds(2.0), {"confirmed": 2}, {"vlm_timeout": 1, "what": 5}),
    captions=CaptionsSnapshot(4, {"event": 9, "upload": 1}),
    vlm=tuple(
        VlmSnapshot(f"http://{n}", "tiny", 4, 3, {"vlm_timeout": 1}, 300, seconds(1.0), 5, 400, 95) for n in range(2)
    ),
    configuration=ConfigurationStatus("2ab1", loaded=1700.0, valid=False),
)


def samples(snapshot: DaemonSnapshot) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = render_metrics(snapshot).decode()
    return {
        (s.name.removeprefix("watchword_"), frozenset(s.labels.items())): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


def value(snapshot: DaemonSnapshot, name: str, **labels: str) -> float:
    return samples(snapshot)[(name, frozenset(labels.items()))]


def test_names_and_labels_are_those_of_the_contract() -> None:
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(render_metrics(FULL).decode()):
        assert family.documentation.endswith((".", "1.", "up.", "0."))
        assert family.samples
        name = family.name.removeprefix("watchword_") + ("_total" if family.type == "counter" else "")
        found[name] = {label for s in family.samples for label in s.labels} - {"le"}
    assert found == CONTRACT


def test_a_file_that_has_ended_is_not_down() -> None:
    ended = replace(stream("front"), state=StreamState.FINISHED, source=SourceSnapshot(frames_decoded=50))
    found = samples(
        replace(
            FULL, cameras=(camera_status(ended), camera_status(replace(ended, camera="back", state=StreamState.FAILED)))
        )
    )
    up = {dict(labels)["camera"]: v for (name, labels), v in found.items() if name == "stream_up"}
    assert up == {"back": 0}
    assert found[("frames_decoded_total", frozenset({("camera", "front")}))] == 50


def test_values_are_those_of_the_snapshot() -> None:
    assert value(FULL, "stream_up", camera="front") == 1
    assert value(FULL, "config_last_reload_successful") == 0
    assert value(FULL, "config_last_reload_success_timestamp_seconds") == 1700
    assert value(FULL, "frames_decoded_total", camera="back") == 50
    assert value(FULL, "last_frame_timestamp_seconds", camera="front") == 1000.5
    assert value(FULL, "last_sound_timestamp_seconds", camera="front") == 990.5
    assert value(FULL, "events_total", camera="front", type="new") == 2
    assert value(FULL, "events_total", camera="front", type="update") == 0
    assert value(FULL, "events_suppressed_total", camera="front", reason="forgotten") == 4
    assert value(FULL, "score", camera="front", event="cat") == 0.75
    assert value(FULL, "budget_exceeded", camera="front", event="cat") == 1
    assert value(FULL, "alert_threshold", camera="front", event="cat") == 0.97
    assert value(FULL, "queue_depth", stage="stream") == 4
    assert value(FULL, "queue_depth", stage="publish") == 9
    assert value(FULL, "queue_depth", stage="align") == 6
    assert value(FULL, "queue_depth", stage="detect") == 5
    assert value(FULL, "frames_detected_total") == 4 + 16
    assert value(FULL, "queue_depth", stage="uploads") == 3
    assert value(FULL, "uploads_left_alone", reason="ending") == 4
    assert value(FULL, "uploads_left_alone", reason="link") == 0
    assert value(FULL, "uploads_total", result="failed") == 1
    assert value(FULL, "aligner_windows") == 2
    assert value(FULL, "publish_retries_total") == 7
    assert value(FULL, "overloaded", camera="back") == 1
    assert value(FULL, "overloaded", camera="front") == 0
    assert value(FULL, "speech_dropped_total", camera="back", reason="speech_queue_full") == 6
    assert value(FULL, "speech_dropped_total", camera="front", reason="speech_queue_full") == 0
    assert value(FULL, "spool_oldest_seconds") == 1.5
    assert value(FULL, "alerts_total", target="phone", state="delivered") == 7
    assert value(FULL, "alerts_total", target="phone", state="dead") == 2
    assert value(FULL, "alert_failures_total", target="phone") == 5
    assert value(FULL, "alert_target_up", target="phone") == 0
    assert value(FULL, "alerts_waiting", target="phone") == 4
    assert value(FULL, "alerts_oldest_seconds", target="phone") == 90
    assert value(FULL, "alerts_suppressed_total", reason="cooldown") == 6
    assert value(FULL, "alerts_suppressed_total", reason="muted") == 0
    assert value(FULL, "alert_latency_seconds_count", target="phone") == 1
    assert value(FULL, "verification_waiting") == 3
    assert value(FULL, "verification_failures_total", code="vlm_timeout") == 1
    assert value(FULL, "verification_failures_total", code="other") == 5
    assert value(FULL, "verdicts_total", verdict="confirmed") == 2
    assert value(FULL, "verdicts_total", verdict="unsure") == 0
    assert value(FULL, "captions_waiting") == 4
    assert value(FULL, "captions_total", kind="event") == 9
    assert value(FULL, "captions_total", kind="none") == 0
    assert value(FULL, "vlm_failures_total", model="tiny", code="vlm_timeout") == 2  # of two servers
    assert value(FULL, "vlm_tokens_today", model="tiny") == 800
    assert value(FULL, "vlm_seconds_count", model="tiny") == 2
    assert value(FULL, "event_log_damaged_total") == 3
    assert value(FULL, "model_info", model="lite/lite0@1") == 1


def test_histograms_add_up_over_streams() -> None:
    assert value(FULL, "stage_seconds_count", stage="encode") == 6
    assert value(FULL, "stage_seconds_sum", stage="encode") == pytest.approx(2 * 99.03)
    assert value(FULL, "stage_seconds_bucket", stage="encode", le="0.01") == 2
    assert value(FULL, "stage_seconds_bucket", stage="encode", le="60.0") == 4
    assert value(FULL, "event_latency_seconds_count") == 2
    assert value(FULL, "batch_size_count") == 6
    assert value(FULL, "batch_size_sum") == 2 + 24 + 500
    assert value(FULL, "batch_size_bucket", le="8.0") == 5
    assert value(FULL, "aligner_batch_size_count") == value(FULL, "aligner_batch_size_bucket", le="4.0") == 7
    assert value(FULL, "aligner_batch_size_sum") == 5 + 6
    assert value(FULL, "aligner_pass_seconds_bucket", le="0.005") == 2
    assert value(FULL, "aligner_pass_seconds_sum") == pytest.approx(2.008)


def test_unknown_reasons_fold_into_other() -> None:
    assert value(FULL, "frames_dropped_total", camera="front", reason="other") == 7
    assert value(FULL, "stream_reconnects_total", camera="front", reason="other") == 1
    assert value(FULL, "stream_failures_total", camera="front", reason="source_timeout") == 9
    text = render_metrics(FULL).decode()
    assert "://" not in text
    known = DROP_REASONS | SPEECH_DROP_REASONS | FAILURE_REASONS | SUPPRESS_REASONS
    known |= {"retention", "other", *LEFT_ALONE, *REASONS}
    assert set(re.findall(r'reason="([^"]*)"', text)) <= known


def test_known_reasons_start_at_zero() -> None:
    quiet = DaemonSnapshot(cameras=(camera_status(StreamSnapshot("front")),))
    assert value(quiet, "frames_dropped_total", camera="front", reason="buffer_full") == 0
    assert value(quiet, "stream_up", camera="front") == 0
    assert ("last_frame_timestamp_seconds", frozenset({("camera", "front")})) not in samples(quiet)


def test_a_daemon_that_only_starts_has_valid_metrics() -> None:
    assert value(DaemonSnapshot(), "batch_size_count") == 0


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian package prometheus) is not installed")
@pytest.mark.parametrize("snapshot", [FULL, DaemonSnapshot()], ids=["full", "starting"])
def test_promtool_accepts_the_metrics(snapshot: DaemonSnapshot) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=render_metrics(snapshot), capture_output=True, timeout=30
    )
    assert (done.returncode, done.stderr.decode(), done.stdout.decode()) == (0, "", "")


def test_histograms_refuse_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="bounds"):
        Histogram((1.0, 1.0))
    with pytest.raises(ValueError, match="bounds"):
        seconds(1.0) + Histogram((1.0,)).snapshot()


def test_a_value_on_a_bound_belongs_to_its_bucket() -> None:
    histogram = Histogram((1.0, 2.0))
    for v in (1.0, 1.5, 2.0, 2.1):
        histogram.observe(v)
    assert histogram.snapshot().counts == (1, 2, 1)
    assert histogram.snapshot().total == pytest.approx(6.6)
    assert histogram.snapshot().count == 4
