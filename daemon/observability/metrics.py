"""Prometheus metrics, rendered from a snapshot at every scrape.

Labels are names from the configuration and closed sets, so neither a URL nor a message of a library can become a
label.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from operator import add

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from daemon.observability.camera_state import CameraState
from daemon.observability.families import batch_sizes, counter, folded, gauge, histogram, one
from daemon.observability.snapshot import LEFT_ALONE, CameraStatus, DaemonSnapshot
from daemon.observability.vlm_metrics import caption_metrics, verification_metrics, vlm_metrics
from workers.decisions.snapshot import StreamSnapshot
from workers.errors import SourceError
from workers.telemetry import SECONDS, Histogram, HistogramSnapshot

CONTENT_TYPE = CONTENT_TYPE_LATEST
DROP_REASONS = frozenset(
    {"buffer_full", "sound_buffer_full", "corrupt", "too_large", "encoder_failed", "not_finite", "overload", "late"}
)
SPEECH_DROP_REASONS = frozenset({"speech_queue_full"})
FAILURE_REASONS = frozenset({SourceError.code, *(c.code for c in SourceError.__subclasses__())})
SUPPRESS_REASONS = frozenset({"forgotten"})
EVENT_TYPES = frozenset({"new", "update", "end"})


class WatchwordCollector(Collector):
    """Takes a snapshot at every scrape."""

    def __init__(self, get_snapshot: Callable[[], DaemonSnapshot]) -> None:
        self._get_snapshot = get_snapshot

    def collect(self) -> Iterator[Metric]:
        """Yield all metric families."""
        snapshot = self._get_snapshot()
        streams = [camera.stream for camera in snapshot.cameras]
        yield from _source_metrics(snapshot.cameras)
        yield from _clip_metrics(snapshot.cameras)
        yield from _decision_metrics(streams)
        yield counter(
            "rule_events",
            "Published revisions of events that rules over time have made of those of live cameras, by type.",
            ["event", "type"],
            snapshot.rules.items(),
        )
        yield from _budget_metrics(streams)
        yield from _camera_metrics(snapshot)
        yield from _service_metrics(snapshot)
        yield from _publisher_metrics(snapshot)
        yield from _index_metrics(snapshot)
        yield from _aligner_metrics(snapshot)
        yield from _alert_metrics(snapshot)
        yield from verification_metrics(snapshot.verification)
        yield from caption_metrics(snapshot.captions)
        yield from vlm_metrics(snapshot.vlm)


def render_metrics(snapshot: DaemonSnapshot) -> bytes:
    """Return the text exposition of one snapshot, of type ``CONTENT_TYPE``."""
    registry = CollectorRegistry()
    registry.register(WatchwordCollector(lambda: snapshot))
    return generate_latest(registry)


def _source_metrics(cameras: Sequence[CameraStatus]) -> Iterator[Metric]:
    sources = [(c.name, c.stream.source) for c in cameras]
    unfinished = [(c.name, c.stream.source) for c in cameras if c.state is not CameraState.ENDED]
    yield gauge(
        "stream_up",
        "Whether the stream delivers frames; absent once it has ended.",
        ["camera"],
        one(unfinished, lambda x: x.up),
    )
    yield counter(
        "stream_reconnects",
        "Times a stream was lost and delivered frames again, by the code of the error that it was lost with.",
        ["camera", "reason"],
        folded(((c, x.reconnects) for c, x in sources), FAILURE_REASONS),
    )
    yield counter(
        "stream_failures",
        "Connections of a stream that failed or were lost, by the code of the error.",
        ["camera", "reason"],
        folded(((c, x.failures) for c, x in sources), FAILURE_REASONS),
    )
    seen = [(c, x) for c, x in sources if x.last_frame_wall is not None]
    yield gauge(
        "last_frame_timestamp_seconds",
        "Unix time of the last sampled frame.",
        ["camera"],
        one(seen, lambda x: x.last_frame_wall),
    )
    yield gauge(
        "last_sound_timestamp_seconds",
        "Unix time of the last audio of a live stream.",
        ["camera"],
        one([(c, x) for c, x in sources if x.last_sound_wall is not None], lambda x: x.last_sound_wall),
    )
    yield gauge(
        "time_stamps_doubted",
        "Whether the time stamps of a live stream do not run with time, so that the time of arrival is used.",
        ["camera"],
        one(unfinished, lambda x: x.stamps_doubted),
    )
    yield counter("frames_decoded", "Frames that were decoded.", ["camera"], one(sources, lambda x: x.frames_decoded))
    yield counter(
        "frames_sampled",
        "Frames that were sampled for the encoder.",
        ["camera"],
        one(sources, lambda x: x.frames_sampled),
    )
    yield counter(
        "frames_dropped",
        "Sampled frames of live streams that were lost, by reason.",
        ["camera", "reason"],
        folded(((c, x.dropped) for c, x in sources), DROP_REASONS),
    )


def _clip_metrics(cameras: Sequence[CameraStatus]) -> Iterator[Metric]:
    sources = [(c.name, c.stream.source) for c in cameras if c.state is not CameraState.ENDED]
    kept = [(name, source) for name, source in sources if source.kept_bytes]
    yield gauge(
        "clip_buffer_bytes",
        "Memory of the encoded video that is kept of a live stream, for clips.",
        ["camera"],
        one(kept, lambda x: x.kept_bytes),
    )
    yield counter(
        "clips",
        "Clips of events that were made (saved), or could not be made or kept (failed).",
        ["camera", "result"],
        (((c.name, result), count) for c in cameras for result, count in c.stream.clips.items()),
    )


def _decision_metrics(streams: Sequence[StreamSnapshot]) -> Iterator[Metric]:
    stages: dict[str, list[HistogramSnapshot]] = {}
    for stream in streams:
        for stage, taken in stream.stages.items():
            stages.setdefault(stage, []).append(taken)
    yield histogram(
        "stage_seconds",
        "Duration of one piece of work in a stage, all streams together.",
        ["stage"],
        [((stage,), reduce(add, taken)) for stage, taken in sorted(stages.items())],
    )
    empty = Histogram(SECONDS).snapshot()
    yield histogram(
        "event_latency_seconds",
        "Time from the capture of an event's first frame to its publication.",
        [],
        [((), reduce(add, [s.latency for s in streams if s.latency is not None], empty))],
    )
    yield counter(
        "events",
        "Published revisions of events, by type.",
        ["camera", "type"],
        folded(((s.camera, s.events) for s in streams), EVENT_TYPES),
    )
    yield counter(
        "events_suppressed",
        "Events that were found and not published, by reason.",
        ["camera", "reason"],
        folded(((s.camera, s.suppressed) for s in streams), SUPPRESS_REASONS),
    )
    yield gauge(
        "score",
        "Probability of an event in the last decided clip.",
        ["camera", "event"],
        [((s.camera, event), p) for s in streams for event, p in s.scores.items()],
    )


def _budget_metrics(streams: Sequence[StreamSnapshot]) -> Iterator[Metric]:
    yield gauge(
        "event_threshold",
        "Probability at which an event begins now.",
        ["camera", "event"],
        [((s.camera, event), p) for s in streams for event, p in s.thresholds.items()],
    )
    yield gauge(
        "budget_alerts_per_hour",
        "Tolerated false alerts an hour, as configured.",
        ["camera", "event"],
        [((s.camera, event), n) for s in streams for event, n in s.budgets.items()],
    )
    yield gauge(
        "budget_observed_alerts_per_hour",
        "Alerts an hour, true and false, that the present threshold gives on everything observed.",
        ["camera", "event"],
        [((s.camera, event), n) for s in streams for event, n in s.budget_alerts.items()],
    )
    yield gauge(
        "budget_observed_seconds",
        "Duration of the observation from which the threshold is derived.",
        ["camera", "event"],
        [((s.camera, event), 3600 * n) for s in streams for event, n in s.budget_hours.items()],
    )
    yield gauge(
        "budget_exceeded",
        "Whether more events happened lately than the budget allows as alerts.",
        ["camera", "event"],
        [((s.camera, event), event in s.over_budget) for s in streams for event in s.budgets],
    )
    yield gauge(
        "alert_threshold",
        "Probability that an event with a budget needs now to be an alert.",
        ["camera", "event"],
        [((s.camera, event), p) for s in streams for event, p in s.alert_thresholds.items()],
    )


def _camera_metrics(snapshot: DaemonSnapshot) -> Iterator[Metric]:
    cameras = snapshot.cameras
    yield gauge(
        "overloaded",
        "Whether work of a camera was dropped within the last 30 s because of overload.",
        ["camera"],
        [((c.name,), c.overloaded) for c in cameras],
    )
    dropped = [(c.name, {"speech_queue_full": c.speech_dropped}) for c in cameras if snapshot.speech]
    yield counter(
        "speech_dropped",
        "Pieces of speech of live streams that were not transcribed, by reason.",
        ["camera", "reason"],
        folded(dropped, SPEECH_DROP_REASONS),
    )


def _service_metrics(snapshot: DaemonSnapshot) -> Iterator[Metric]:
    encoder, detector, aligner, speech = snapshot.encoder, snapshot.detector, snapshot.aligner, snapshot.speech
    publisher, uploads = snapshot.publisher, snapshot.uploads
    yield histogram(
        "batch_size", "Frames in one forward pass of the encoder.", [], [((), batch_sizes(encoder.batches))]
    )
    looked_at = [((), sum(n * passes for n, passes in detector.batches.items()))] if detector else []
    yield counter("frames_detected", "Frames in which objects were looked for.", [], looked_at)
    depths = {"stream": sum(c.stream.queue_depth for c in snapshot.cameras), "encode": encoder.queue_depth}
    depths |= {"detect": detector.queue_depth} if detector else {}
    depths |= {"align": aligner.queue_depth} if aligner else {}
    depths |= {"speech": speech.queue_depth} if speech else {}
    depths |= {"publish": publisher.waiting} if publisher else {}
    depths |= {"uploads": uploads.waiting} if uploads else {}
    yield gauge(
        "queue_depth",
        "Pieces of work that wait in a stage's queue.",
        ["stage"],
        [((k,), v) for k, v in depths.items()],
    )
    yield gauge(
        "speech_realtime_factor",
        "Computing time by audio time of speech recognition; below 1 it keeps up.",
        [],
        [((), speech.realtime_factor)] if speech else [],
    )
    yield counter(
        "data_removed",
        "Pieces of stored data that were removed, by kind and reason.",
        ["kind", "reason"],
        snapshot.removed.items(),
    )
    results = {"done": uploads.done, "failed": uploads.failed} if uploads else {}
    yield counter(
        "uploads",
        "Uploaded files that were tagged (done) or could not be read (failed).",
        ["result"],
        [((k,), v) for k, v in results.items()],
    )
    yield gauge(
        "uploads_left_alone",
        "Files and folders in the folder of uploads that are not processed, by reason.",
        ["reason"],
        [((reason,), uploads.left.get(reason, 0)) for reason in LEFT_ALONE] if uploads else [],
    )
    followed = snapshot.configuration
    yield gauge(
        "config_last_reload_successful",
        "Whether the configuration file as it is now is valid, and so in force.",
        [],
        [((), followed.valid)] if followed.version else [],
    )
    yield gauge(
        "config_last_reload_success_timestamp_seconds",
        "Unix time when the configuration that is in force was read.",
        [],
        [((), followed.loaded)] if followed.version else [],
    )
    models = [encoder.model.id] if encoder.model else []
    yield gauge("model_info", "The loaded encoder; the value is 1.", ["model"], [((m,), 1) for m in models])


def _publisher_metrics(snapshot: DaemonSnapshot) -> Iterator[Metric]:
    sinks = [snapshot.publisher] if snapshot.publisher else []
    yield counter("publish_retries", "Retries of publishing.", [], [((), s.retries) for s in sinks])
    accepts = [((), float(s.spool_accepts)) for s in sinks]
    yield gauge(
        "spool_accepts", "Whether events can be stored on disk; if 0, streams are stalled until it is 1.", [], accepts
    )
    damaged = [((), s.log_damaged) for s in sinks]
    yield counter("event_log_damaged", "Revisions and files of the event log that could not be read back.", [], damaged)
    yield gauge(
        "spool_bytes", "Size of the events that wait to be published.", [], [((), s.spool_bytes) for s in sinks]
    )
    yield gauge(
        "spool_oldest_seconds",
        "Age of the oldest event that waits to be published.",
        [],
        [((), s.spool_oldest_s) for s in sinks],
    )


def _index_metrics(snapshot: DaemonSnapshot) -> Iterator[Metric]:
    cameras = [c.name for c in snapshot.cameras]
    index = snapshot.index
    shown = [(name, index) for name in cameras] if index else []
    yield counter(
        "index_bytes",
        "Bytes that were written to the index, before its shards are made full.",
        ["camera"],
        [((name,), i.bytes.get(name, 0)) for name, i in shown],
    )
    yield counter(
        "index_items",
        "Items of streams (frames, pieces of audio, transcripts) that were written to the index.",
        ["camera"],
        [((name,), i.items.get(name, 0)) for name, i in shown],
    )
    yield counter(
        "index_lost",
        "Items that are missing in the index: its disk was full or too slow.",
        ["camera"],
        [((c.name,), c.stream.index_lost + (index.lost.get(c.name, 0) if index else 0)) for c in snapshot.cameras],
    )
    yield gauge("index_stored_bytes", "Size of the index on disk.", [], [((), index.stored)] if index else [])


def _aligner_metrics(snapshot: DaemonSnapshot) -> Iterator[Metric]:
    networks = [snapshot.aligner] if snapshot.aligner else []
    yield histogram(
        "aligner_batch_size",
        "Cameras served by one pass of the trained aligner.",
        [],
        [((), batch_sizes(n.batches)) for n in networks],
    )
    yield histogram(
        "aligner_pass_seconds", "Duration of one pass of the trained aligner.", [], [((), n.seconds) for n in networks]
    )
    yield gauge(
        "aligner_windows", "Windows that the trained aligner holds in memory.", [], [((), n.sessions) for n in networks]
    )


def _alert_metrics(snapshot: DaemonSnapshot) -> Iterator[Metric]:
    alerts = snapshot.alerts
    targets = [((name,), target) for name, target in alerts.targets.items()] if alerts else []
    states = [((*name, state), getattr(t, state)) for name, t in targets for state in ("delivered", "dead")]
    yield counter("alerts", "Messages that were delivered, or given up (dead).", ["target", "state"], states)
    yield counter(
        "alert_failures",
        "Attempts to deliver a message that failed; it is retried.",
        ["target"],
        [(name, t.failures) for name, t in targets],
    )
    yield counter(
        "alerts_suppressed",
        "Alerts that were not sent, by reason.",
        ["reason"],
        [((reason,), n) for reason, n in alerts.suppressed.items()] if alerts else [],
    )
    yield gauge(
        "alert_target_up", "Whether the last attempt to deliver arrived.", ["target"], [(n, t.up) for n, t in targets]
    )
    yield gauge("alerts_waiting", "Messages that wait.", ["target"], [(n, t.waiting) for n, t in targets])
    yield gauge(
        "alerts_oldest_seconds",
        "Age of the oldest message that waits.",
        ["target"],
        [(n, t.oldest_s) for n, t in targets],
    )
    yield histogram(
        "alert_latency_seconds",
        "From the capture of what decided a live event to the delivery of its alert.",
        ["target"],
        [(n, t.latency) for n, t in targets],
    )
