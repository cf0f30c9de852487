"""From changes of spans to published events: erased ones are left out, evidence is added, and none is lost."""

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import structlog

from alignment.temporal.rule import TemporalRule
from alignment.types import SpanChange
from workers.clock import Clock
from workers.decisions.feedback import SampleKeeper
from workers.decisions.frames import FrameKeeper
from workers.decisions.over_time import FileRules
from workers.decisions.results import ResultsCollector
from workers.decisions.segment import Segment
from workers.errors import EventLogError
from workers.events.erasures import content_span
from workers.events.event import Event, SourceFile
from workers.events.evidence import EvidenceStore
from workers.events.explain_picture import ExplanationCard
from workers.events.file_identity import FileIdentity
from workers.events.writer import EventContext, EventWriter
from workers.publish.base import StreamSink
from workers.services.clients import StateClient
from workers.telemetry import Histogram
from workers.types import EventSpec, Receipt, Utterance

RETRY_S = 1.0

log = structlog.get_logger()


class Announcer:
    """Publishes the events of one camera, in order."""

    def __init__(
        self,
        specs: Sequence[EventSpec],
        writer: EventWriter,
        sink: StreamSink,
        evidence: EvidenceStore,
        clock: Clock,
        stopping: threading.Event,
        state: StateClient,
        file: FileIdentity | None = None,
        results: ResultsCollector | None = None,
        samples: SampleKeeper | None = None,
        frames: FrameKeeper | None = None,
        over_time: Sequence[TemporalRule] = (),
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.suppressed: Counter[str] = Counter()
        self.latency = Histogram()
        self.results = results
        self._specs = {s.name: s for s in specs}
        self._writer, self._sink, self._evidence = writer, sink, evidence
        self._clock, self._stopping, self._state, self._file = clock, stopping, state, file
        self._samples, self._frames = samples, frames
        self._over_time = FileRules(over_time)
        self.waiting = False  # for the sink to accept an event, or a file's hash: a new stream would wait as well

    def change_rules(self, specs: Sequence[EventSpec], config_hash: str) -> None:
        """Publish the events of other rules from now on; the spans of those that are gone have been closed."""
        self._specs = {s.name: s for s in specs}
        if self._samples is not None:
            self._samples.change_rules(specs)
        self._writer = replace(self._writer, config_hash=config_hash)

    def announce(self, changes: Iterable[SpanChange], segment: Segment) -> None:
        """Publish every change that was not erased; return once all of them are safe."""
        told = [c for c in changes if not self._was_forgotten(c, segment)]
        events = [self._write(c, segment) for c in told]
        self._over_time.add(events)
        for event, change, is_new in zip(events, told, self._announce(events), strict=True):
            if is_new and self._samples is not None:
                self._samples.keep(event, change, segment)

    def announce_over_time(self, segment: Segment, span: tuple[float, float]) -> None:
        """Publish what rules over time find in a segment of a file that is over, and was watched in ``span``."""
        config_hash, now = self._writer.config_hash, self._clock.wall()
        found = self._over_time.decide(segment.name, span, self._source(), config_hash, now)
        self._announce([event for event in found if not self._state.forbids(event.camera, event.id, None)])

    def _announce(self, events: list[Event]) -> list[bool]:
        """Publish events; return of each whether it is new: the successor of a stream may have ended it."""
        if not events:
            return []
        if self.results is not None:
            self.results.add_events(events)
        receipts = self._publish(events)
        for event, receipt in zip(events, receipts, strict=True):
            if receipt.duplicate:  # the supervisor replaced this stream, and its successor has ended the event
                continue
            self.counts[event.type] += 1
            log.info(
                "event",
                type=event.type,
                camera=event.camera,
                event_name=event.event,
                id=event.id,
                live=event.live,
                **({"file": self._file.file} if self._file and self._file.is_upload else {}),
                start=event.start,
                end=event.end,
                score=event.score,
                **({"over_budget": True} if event.over_budget else {}),
            )
        return [not receipt.duplicate for receipt in receipts]

    def _was_forgotten(self, change: SpanChange, segment: Segment) -> bool:
        """Return whether the event was erased, or lies in an interval that was; count it when it opens."""
        span = change.span
        identity = self._writer.identity(change, self._specs[span.event], segment.name)
        live_span = content_span(span.start, span.end, ()) if self._writer.live else None
        forgotten = self._state.forbids(self._writer.camera, identity, live_span)
        if forgotten and change.type == "new":
            self.suppressed["forgotten"] += 1
        return forgotten

    def _write(self, change: SpanChange, segment: Segment) -> Event:
        now = self._clock.wall()
        latency = None
        if self._writer.live and change.type == "new":
            latency = max(0.0, now - change.span.end)
            self.latency.observe(latency)
        spec, span = self._specs[change.span.event], change.span
        utterances = self._kept([u for u in segment.utterances if u.start_s < span.end and u.end_s > span.start])
        why, seen = segment.explain(span), (segment.areas_of(span), segment.read_as(span))
        card = ExplanationCard(self._writer.camera, self._writer.live, spec, span, why, utterances, *seen)
        passing = change.type == "update" and span.open  # the next update would replace the picture
        event_id = self._writer.identity(change, spec, segment.name)
        pictures = self._evidence.save(event_id, card, draw=not passing)
        if self._frames is not None and spec.keep_frames:  # before it is published: who reads of it finds them
            self._frames.keep(event_id, card, change.type)
        return self._writer.write(change, segment.name, EventContext(now, latency, card, pictures, self._source()))

    def _source(self) -> SourceFile | None:
        if self._file is None:
            return None
        self.waiting = True
        try:
            return self._file.source
        finally:
            self.waiting = False

    def _kept(self, utterances: list[Utterance]) -> list[Utterance]:
        """Return the utterances that were not erased; an event that began later is published without the others."""
        if not (self._writer.live and utterances):
            return utterances
        erased = self._state.erased(self._writer.camera, [(u.start_s, u.end_s) for u in utterances])
        return [u for u, gone in zip(utterances, erased, strict=True) if not gone]

    def _publish(self, events: list[Event]) -> tuple[Receipt, ...]:
        """Publish; while the sink cannot accept events, wait and retry: the stream stalls and no event is lost."""
        while True:
            try:
                receipts = self._sink.publish(events)
                self.waiting = False
                return receipts
            except EventLogError as error:
                if self._stopping.is_set():
                    raise
                if not self.waiting:  # logged once, not every second while the disk is full
                    log.error("events cannot be kept, trying again", code=error.code, error=str(error))
                self.waiting = True
                self._clock.sleep(RETRY_S)
