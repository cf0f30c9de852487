"""From changes of spans to published events: cooldown, evidence, and the promise that none is lost."""

import threading
from collections import Counter, deque
from collections.abc import Iterable, Sequence

import structlog

from alignment.types import SpanChange
from workers.clock import Clock
from workers.epoch import Epoch
from workers.errors import SpoolError
from workers.events import EventWriter, Moment
from workers.evidence import EvidenceStore
from workers.explain_picture import Sheet
from workers.forgetting import Erasures, told_span
from workers.publish.base import Sink
from workers.telemetry import Histogram
from workers.types import Event, EventSpec, Receipt, Utterance

RETRY_S = 1.0
NEVER = float("-inf")
SET_BACK_S = 60.0  # a span that begins so long before the last one ended: the clock was set back
MUTED = 256  # suppressed spans that are remembered, for what happens to them later is suppressed as well

log = structlog.get_logger()


class Announcer:
    """Publishes the events of one camera, in order."""

    def __init__(
        self,
        specs: Sequence[EventSpec],
        writer: EventWriter,
        sink: Sink,
        evidence: EvidenceStore,
        clock: Clock,
        stopping: threading.Event,
        erasures: Erasures,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.suppressed: Counter[str] = Counter()
        self.latency = Histogram()
        self._specs = {s.name: s for s in specs}
        self._writer, self._sink, self._evidence = writer, sink, evidence
        self._clock, self._stopping, self._erasures = clock, stopping, erasures
        self._ended: dict[str, float] = {}  # event -> stream second where the last published span ends
        self._muted: deque[tuple[str, float]] = deque(maxlen=MUTED)
        self.waiting = False  # for the sink to take an event: no standstill that a new stream could end

    def announce(self, changes: Iterable[SpanChange], epoch: Epoch) -> None:
        """Publish what is not suppressed; return once all of it is safe."""
        events = [self._write(c, epoch) for c in changes if self._wanted(c, epoch)]
        if not events:
            return
        for event, receipt in zip(events, self._publish(events), strict=True):
            if receipt.duplicate:  # this stream was given up, and the next one has ended it
                continue
            self.counts[event.type] += 1
            log.info(
                "event",
                type=event.type,
                camera=event.camera,
                event_name=event.event,
                id=event.id,
                start=event.start,
                end=event.end,
                score=event.score,
            )

    def _wanted(self, change: SpanChange, epoch: Epoch) -> bool:
        """Tell whether a change may be published; a cooldown starts at the end of a published span only."""
        name, key = change.span.event, (change.span.event, change.opened)
        identity = self._writer.identity(change, self._specs[name], epoch.name)
        live_span = told_span(change.span.start, change.span.end, ()) if self._writer.live else None
        if self._erasures.forbids(self._writer.camera, identity, live_span):
            self.suppressed["forgotten"] += change.type == "new"
            return False
        if key in self._muted:
            return False
        cooldown = self._specs[name].cooldown_s
        if change.type == "new" and self._is_quiet(name, change.span.start, cooldown):
            self._muted.append(key)
            self.suppressed["cooldown"] += 1
            return False
        before = self._ended.get(name, NEVER)
        self._ended[name] = change.span.end if before - change.span.end > SET_BACK_S else max(change.span.end, before)
        return True

    def _is_quiet(self, name: str, start: float, cooldown: float) -> bool:
        """Tell whether a span begins too soon after the last one; not where its clock was set back since."""
        return bool(cooldown) and -SET_BACK_S < start - self._ended.get(name, NEVER) < cooldown

    def _write(self, change: SpanChange, epoch: Epoch) -> Event:
        now = self._clock.wall()
        latency = None
        if self._writer.live and change.type == "new":
            latency = max(0.0, now - change.span.end)
            self.latency.observe(latency)
        spec, span = self._specs[change.span.event], change.span
        heard = [u for u in epoch.words if u.start_s < span.end and u.end_s > span.start and self._may_tell(u)]
        sheet = Sheet(self._writer.camera, self._writer.live, spec, span, epoch.explain(span), heard)
        passing = change.type == "update" and span.open  # soon out of date
        pictures = self._evidence.save(self._writer.identity(change, spec, epoch.name), sheet, draw=not passing)
        return self._writer.write(change, epoch.name, Moment(now, latency, sheet, pictures))

    def _may_tell(self, words: Utterance) -> bool:
        """Tell whether an utterance was not forgotten; an event that began later goes on without it."""
        return not (self._writer.live and self._erasures.reach(self._writer.camera, words.start_s, words.end_s))

    def _publish(self, events: list[Event]) -> tuple[Receipt, ...]:
        """Hand over, and wait where the sink cannot take it: the stream stands still rather than lose an event."""
        while True:
            try:
                receipts = self._sink.publish(events)
                self.waiting = False
                return receipts
            except SpoolError as error:
                if self._stopping.is_set():
                    raise
                if not self.waiting:  # once, not every second for as long as a disk is full
                    log.error("events cannot be kept, trying again", code=error.code, error=str(error))
                self.waiting = True
                self._clock.sleep(RETRY_S)
