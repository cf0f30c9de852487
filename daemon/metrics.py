"""Prometheus metrics, made from a snapshot when they are asked for.

Labels are names from the configuration and closed sets; a reason that is not in its set becomes ``other``, so
neither a URL nor a message of a library can become a label.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from itertools import accumulate
from operator import add
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from daemon.snapshots import DaemonSnapshot
from workers.errors import SourceError
from workers.snapshots import StreamSnapshot
from workers.telemetry import BATCH_SIZES, SECONDS, Histogram, HistogramSnapshot

CONTENT_TYPE = CONTENT_TYPE_LATEST
OTHER = "other"
DROP_REASONS = frozenset(
    {"buffer_full", "sound_buffer_full", "corrupt", "too_large", "encoder_failed", "not_finite", "overload", "late"}
)
SPEECH_DROP_REASONS = frozenset({"speech_queue_full"})
RECONNECT_REASONS = frozenset({SourceError.code, *(c.code for c in SourceError.__subclasses__())})
SUPPRESS_REASONS = frozenset({"cooldown", "forgotten"})
EVENT_TYPES = frozenset({"new", "update", "end"})

S = TypeVar("S")
Rows = Iterable[tuple[tuple[str, ...], float]]


class WatchwordCollector(Collector):
    """Asks for a snapshot at every scrape."""

    def __init__(self, get_snapshot: Callable[[], DaemonSnapshot]) -> None:
        self._get_snapshot = get_snapshot

    def collect(self) -> Iterator[Metric]:
        """Yield all metric families."""
        snapshot = self._get_snapshot()
        yield from _source_metrics(snapshot.streams)
        yield from _decision_metrics(snapshot.streams)
        yield from _service_metrics(snapshot)
        yield from _publisher_metrics(snapshot)
        yield from _aligner_metrics(snapshot)


def render_metrics(snapshot: DaemonSnapshot) -> bytes:
    """Return the text exposition of one snapshot, of type ``CONTENT_TYPE``."""
    registry = CollectorRegistry()
    registry.register(WatchwordCollector(lambda: snapshot))
    return generate_latest(registry)


def _source_metrics(streams: tuple[StreamSnapshot, ...]) -> Iterator[Metric]:
    sources = [(s.camera, s.source) for s in streams]
    unfinished = [(s.camera, s.source) for s in streams if s.state != "finished"]
    yield _gauge(
        "stream_up",
        "Whether the stream delivers; none once ended.",
        ["camera"],
        _one(unfinished, lambda x: x.up),
    )
    yield _counter(
        "stream_reconnects",
        "Times a stream was lost and opened again, by the error's code.",
        ["camera", "reason"],
        _folded(((c, x.reconnects) for c, x in sources), RECONNECT_REASONS),
    )
    seen = [(c, x) for c, x in sources if x.last_frame_wall is not None]
    yield _gauge(
        "last_frame_timestamp_seconds",
        "Unix time of the last sampled frame.",
        ["camera"],
        _one(seen, lambda x: x.last_frame_wall),
    )
    yield _gauge(
        "last_sound_timestamp_seconds",
        "Unix time of the last sound of a live stream.",
        ["camera"],
        _one([(c, x) for c, x in sources if x.last_sound_wall is not None], lambda x: x.last_sound_wall),
    )
    yield _counter("frames_decoded", "Frames that were decoded.", ["camera"], _one(sources, lambda x: x.frames_decoded))
    yield _counter(
        "frames_sampled", "Frames that were looked at.", ["camera"], _one(sources, lambda x: x.frames_sampled)
    )
    yield _counter(
        "frames_dropped",
        "Sampled frames of live streams that were lost, by reason.",
        ["camera", "reason"],
        _folded(((c, x.dropped) for c, x in sources), DROP_REASONS),
    )


def _decision_metrics(streams: tuple[StreamSnapshot, ...]) -> Iterator[Metric]:
    stages: dict[str, list[HistogramSnapshot]] = {}
    for stream in streams:
        for stage, taken in stream.stages.items():
            stages.setdefault(stage, []).append(taken)
    yield _histogram(
        "stage_seconds",
        "Time one piece of work took in a stage, all streams together.",
        ["stage"],
        [((stage,), reduce(add, taken)) for stage, taken in sorted(stages.items())],
    )
    empty = Histogram(SECONDS).snapshot()
    yield _histogram(
        "event_latency_seconds",
        "Time from the capture of an event's first frame to its publication.",
        [],
        [((), reduce(add, [s.latency for s in streams if s.latency is not None], empty))],
    )
    yield _counter(
        "events",
        "Published revisions of events, by type.",
        ["camera", "type"],
        _folded(((s.camera, s.events) for s in streams), EVENT_TYPES),
    )
    yield _counter(
        "alerts_suppressed",
        "Events that were not delivered, by reason.",
        ["camera", "reason"],
        _folded(((s.camera, s.suppressed) for s in streams), SUPPRESS_REASONS),
    )
    yield _gauge(
        "score",
        "Probability of an event in the last decided clip.",
        ["camera", "event"],
        [((s.camera, event), p) for s in streams for event, p in s.scores.items()],
    )
    yield from _budget_metrics(streams)


def _budget_metrics(streams: tuple[StreamSnapshot, ...]) -> Iterator[Metric]:
    yield _gauge(
        "event_threshold",
        "Probability that an event needs now to begin.",
        ["camera", "event"],
        [((s.camera, event), p) for s in streams for event, p in s.thresholds.items()],
    )
    yield _gauge(
        "budget_alerts_per_hour",
        "False alerts an hour that the user puts up with.",
        ["camera", "event"],
        [((s.camera, event), n) for s in streams for event, n in s.budgets.items()],
    )
    yield _gauge(
        "budget_observed_alerts_per_hour",
        "Alerts an hour, true and false, that today's threshold would have given in all that was observed.",
        ["camera", "event"],
        [((s.camera, event), n) for s in streams for event, n in s.budget_alerts.items()],
    )
    yield _gauge(
        "budget_observed_seconds",
        "How long the view was watched that the threshold was learned from.",
        ["camera", "event"],
        [((s.camera, event), 3600 * n) for s in streams for event, n in s.budget_hours.items()],
    )


def _service_metrics(snapshot: DaemonSnapshot) -> Iterator[Metric]:
    encoder, aligner, speech, publisher = snapshot.encoder, snapshot.aligner, snapshot.speech, snapshot.publisher
    uploads = snapshot.uploads
    yield _histogram(
        "batch_size", "Frames in one forward pass of the encoder.", [], [((), _batch_sizes(encoder.batches))]
    )
    depths = {"stream": sum(s.queue_depth for s in snapshot.streams), "encode": encoder.queue_depth}
    depths |= {"align": aligner.queue_depth} if aligner else {}
    depths |= {"speech": speech.depth} if speech else {}
    depths |= {"publish": publisher.waiting} if publisher else {}
    depths |= {"uploads": uploads.waiting} if uploads else {}
    yield _gauge(
        "queue_depth",
        "Pieces of work that wait in a stage.",
        ["stage"],
        [((k,), v) for k, v in depths.items()],
    )
    yield _gauge(
        "speech_realtime_factor",
        "Computing time by audio time of speech recognition; below 1 it keeps up.",
        [],
        [((), speech.realtime_factor)] if speech else [],
    )
    yield _gauge(
        "overloaded",
        "Whether work of a camera was dropped within the last 30 s because there was more than can be done.",
        ["camera"],
        [((s.camera,), s.camera in snapshot.overloaded) for s in snapshot.streams],
    )
    cameras = [s.camera for s in snapshot.streams] if speech else []
    spoken = speech.dropped if speech else {}
    yield _counter(
        "speech_dropped",
        "Pieces of speech of live streams that were not transcribed, by reason.",
        ["camera", "reason"],
        _folded(((c, {"speech_queue_full": spoken.get(c, 0)}) for c in cameras), SPEECH_DROP_REASONS),
    )
    yield _counter(
        "data_removed",
        "Pieces of kept data that were removed, by kind and reason.",
        ["kind", "reason"],
        snapshot.removed.items(),
    )
    results = {"done": uploads.done, "failed": uploads.failed} if uploads else {}
    yield _counter(
        "uploads",
        "Uploaded files that were tagged (done), or could not be read (failed).",
        ["result"],
        [((k,), v) for k, v in results.items()],
    )
    models = [encoder.model.id] if encoder.model else []
    yield _gauge("model_info", "The encoder that is loaded; always 1.", ["model"], [((m,), 1) for m in models])


def _publisher_metrics(snapshot: DaemonSnapshot) -> Iterator[Metric]:
    sinks = [snapshot.publisher] if snapshot.publisher else []
    yield _counter("publish_retries", "Attempts to publish again.", [], [((), s.retries) for s in sinks])
    accepts = [((), float(s.spool_accepts)) for s in sinks]
    yield _gauge("spool_accepts", "Whether events can be kept on disk; 0: streams stand still.", [], accepts)
    yield _gauge("spool_bytes", "Size of the spool on disk.", [], [((), s.spool_bytes) for s in sinks])
    yield _gauge(
        "spool_oldest_seconds",
        "Age of the oldest event that waits.",
        [],
        [((), s.spool_oldest_s) for s in sinks],
    )


def _aligner_metrics(snapshot: DaemonSnapshot) -> Iterator[Metric]:
    networks = [snapshot.aligner] if snapshot.aligner else []
    yield _histogram(
        "aligner_batch_size",
        "Cameras that one pass of the trained aligner answered.",
        [],
        [((), _batch_sizes(n.batches)) for n in networks],
    )
    yield _histogram(
        "aligner_pass_seconds", "Time a pass of the trained aligner took.", [], [((), n.seconds) for n in networks]
    )
    yield _gauge(
        "aligner_windows", "Windows that the trained aligner remembers.", [], [((), n.sessions) for n in networks]
    )


def _one(sources: Iterable[tuple[str, S]], value: Callable[[S], float | None]) -> Rows:
    return [((camera,), float(value(source) or 0)) for camera, source in sources]


def _folded(counts: Iterable[tuple[str, Mapping[str, int]]], known: frozenset[str]) -> Rows:
    """Yield a row for every known reason, so that rates start at 0, and one for all others together."""
    for camera, by_reason in counts:
        folded = Counter(dict.fromkeys(known, 0))
        for reason, n in by_reason.items():
            folded[reason if reason in known else OTHER] += n
        for reason in sorted(folded):
            yield (camera, reason), folded[reason]


def _batch_sizes(batches: Mapping[int, int]) -> HistogramSnapshot:
    counts = [0] * (len(BATCH_SIZES) + 1)
    for size, times in batches.items():
        counts[bisect_left(BATCH_SIZES, size)] += times
    return HistogramSnapshot(BATCH_SIZES, tuple(counts), float(sum(n * times for n, times in batches.items())))


def _gauge(name: str, text: str, labels: list[str], rows: Rows) -> Metric:
    family = GaugeMetricFamily(f"watchword_{name}", text, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _counter(name: str, text: str, labels: list[str], rows: Rows) -> Metric:
    family = CounterMetricFamily(f"watchword_{name}", text, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _histogram(
    name: str, text: str, labels: list[str], rows: Iterable[tuple[tuple[str, ...], HistogramSnapshot]]
) -> Metric:
    family = HistogramMetricFamily(f"watchword_{name}", text, labels=labels)
    for values, taken in rows:
        limits = [*(str(float(b)) for b in taken.bounds), "+Inf"]
        buckets = list(zip(limits, accumulate(map(float, taken.counts)), strict=True))
        family.add_metric(values, buckets, taken.total)
    return family
