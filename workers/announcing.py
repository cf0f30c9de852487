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
from workers.forgetting import Erasures
from workers.publish.base import Sink
from workers.telemetry import Histogram
from workers.types import Event, EventSpec

RETRY_S = 1.0
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
        self._quiet_until: dict[str, float] = {}
        self._muted: deque[tuple[str, float]] = deque(maxlen=MUTED)

    def announce(self, changes: Iterable[SpanChange], epoch: Epoch) -> None:
        """Publish what is not suppressed; return once all of it is safe."""
        events = [self._write(c, epoch) for c in changes if self._wanted(c, epoch)]
        if not events:
            return
        self._publish(events)
        for event in events:
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
        live_span = (change.span.start, change.span.end) if self._writer.live else None
        if self._erasures.forbids(self._writer.camera, identity, live_span):
            self.suppressed["forgotten"] += change.type == "new"
            return False
        if key in self._muted:
            return False
        cooldown = self._specs[name].cooldown_s
        if cooldown and change.type == "new" and change.span.start < self._quiet_until.get(name, float("-inf")):
            self._muted.append(key)
            self.suppressed["cooldown"] += 1
            return False
        self._quiet_until[name] = max(change.span.end + cooldown, self._quiet_until.get(name, float("-inf")))
        return True

    def _write(self, change: SpanChange, epoch: Epoch) -> Event:
        now = self._clock.wall()
        latency = None
        if self._writer.live and change.type == "new":
            latency = max(0.0, now - change.span.end)
            self.latency.observe(latency)
        spec, span = self._specs[change.span.event], change.span
        heard = [u for u in epoch.words if u.start_s < span.end and u.end_s > span.start]
        sheet = Sheet(self._writer.camera, self._writer.live, spec, span, epoch.explain(span), heard)
        passing = change.type == "update" and span.open  # soon out of date
        pictures = self._evidence.save(self._writer.identity(change, spec, epoch.name), sheet, draw=not passing)
        return self._writer.write(change, epoch.name, Moment(now, latency, sheet, pictures))

    def _publish(self, events: list[Event]) -> None:
        """Hand over, and wait where the sink cannot take it: the stream stands still rather than lose an event."""
        while True:
            try:
                self._sink.publish(events)
                return
            except SpoolError as error:
                if self._stopping.is_set():
                    raise
                log.error("events cannot be kept, trying again", code=error.code, error=str(error))
                self._clock.sleep(RETRY_S)
