"""What both runtimes offer (``Runtime``), and what they share. ``local``: threads; ``ray``: actors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from alignment.summary.tags import Panel
from workers.audio.transcription_queue import TranscriptionSnapshot
from workers.decisions.snapshot import StreamSnapshot
from workers.decisions.stream_rules import RulesOrder
from workers.errors import ServiceLost
from workers.events.event import Caption, Event, Verification
from workers.index.types import IndexSnapshot
from workers.publish.base import SinkSnapshot
from workers.services.aligner import AlignerSnapshot
from workers.services.batcher import BatcherSnapshot
from workers.services.clients import EncoderDescription, StreamServices
from workers.services.proxies import AlignerProxy, DetectorProxy, EncoderProxy, SinkProxy, SpeechProxy, StateProxy
from workers.services.scheduler import request_context
from workers.sources.base import SourceBuilder
from workers.stream.latest_frame import LatestFrame
from workers.types import CameraSpec, EventSpec, Receipt

STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class ServicesSnapshot:
    """The services that all streams share; None where one does not respond or does not exist."""

    encoder: BatcherSnapshot | None
    detector: BatcherSnapshot | None
    aligner: AlignerSnapshot | None
    speech: TranscriptionSnapshot | None
    sink: SinkSnapshot | None
    index: IndexSnapshot | None = None


class StreamHandle(Protocol):
    """One running attempt at one camera."""

    def snapshot(self) -> StreamSnapshot:
        """Return the latest snapshot, without waiting; raise ``ServiceLost`` if the stream died or is unresponsive."""
        ...

    def latest_frame(self, timeout_s: float) -> LatestFrame | None:
        """Return the latest sampled frame, None if there is none; raise ``ServiceLost`` after ``timeout_s``."""
        ...

    def change_rules(self, order: RulesOrder) -> None:
        """Decide by other rules from the next hop on; return at once. ``snapshot`` has the hash of those in force."""
        ...

    def stop(self) -> None:
        """Request an orderly end; return at once."""
        ...

    def kill(self) -> None:
        """End the stream at once, as far as the runtime can."""
        ...


class StreamStarter(Protocol):
    """Starts streams."""

    def start_stream(self, camera: CameraSpec, events: tuple[EventSpec, ...]) -> StreamHandle:
        """Start a stream."""
        ...


class Runtime(StreamStarter, Protocol):
    """Starts the shared services and the streams."""

    config_hash: str
    """Of the configuration that is in force; may be set at any time, for the streams and orders after that."""

    @property
    def shared(self) -> StreamServices:
        """Return the services, for requests that belong to no stream; once they have started."""
        ...

    def order(self, camera: CameraSpec, events: tuple[EventSpec, ...]) -> RulesOrder:
        """Return what changes the rules of a camera's stream to those of other events."""
        ...

    def start(self) -> EncoderDescription:
        """Load models and open the event log; raise ``WatchwordError`` where that fails."""
        ...

    def snapshot(self) -> ServicesSnapshot:
        """Return the counters of the services."""
        ...

    def panel(self) -> Panel:
        """Return the names that the encoder knows; raise ``ServiceLost`` where it is gone."""
        ...

    def take_events(self) -> tuple[Event, ...]:
        """Return the last revision of the latest events, and forget them."""
        ...

    def end_open(self) -> None:
        """End the events that the last run left open, of cameras that are watched no more as well."""
        ...

    def erase(self, ids: frozenset[str], before_s: float = 0.0) -> int:
        """Forget events that wait or are open, by id or as accepted before a Unix time; return how many revisions."""
        ...

    def publish(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        """Accept events for good, as of a stream; raise ``EventLogError`` or ``ServiceLost``."""
        ...

    def follow(self, reader: str) -> int:
        """Keep in the event log what a reader of it has not acknowledged; return up to where it has."""
        ...

    def acknowledge(self, reader: str, up_to: int) -> None:
        """Let go of the revisions up to and including a sequence number, as far as this reader is concerned."""
        ...

    def amend(
        self, event_id: str, verification: Verification | None = None, caption: Caption | None = None
    ) -> Event | None:
        """Add a verdict or a caption to an event, as one more revision of it; return that.

        None: the event is not there. What the last revision says already is not added again. Raise ``EventLogError``
        or ``ServiceLost``.
        """
        ...

    def flush(self, timeout_s: float) -> bool:
        """Wait until every event is published; return whether that came true in time."""
        ...

    def stop(self, timeout_s: float = STOP_S) -> None:
        """End the services within about this time; streams have been stopped before."""
        ...


class SharedServices:
    """What both runtimes do alike with the clients of their services: give them to streams, read and end events."""

    config_hash = ""

    def _share(
        self,
        encoder: EncoderProxy,
        sink: SinkProxy,
        state: StateProxy,
        build_source: SourceBuilder,
        speech: SpeechProxy | None,
        network: AlignerProxy | None,
        detector: DetectorProxy | None,
    ) -> None:
        self._encoder, self._sink, self._state, self._detector = encoder, sink, state, detector
        self._shared = StreamServices(encoder, sink, state, build_source, speech, network)

    @property
    def shared(self) -> StreamServices:
        """Return the services, for requests that belong to no stream."""
        return self._shared

    def _services_of(self, camera: CameraSpec, events: tuple[EventSpec, ...]) -> StreamServices:
        """Return the services of one stream, whose requests are scheduled by its camera and events."""
        context = request_context(camera, events)
        detector = replace(self._detector, context=context) if self._detector else None
        return replace(self._shared, encoder=replace(self._encoder, context=context), detector=detector)

    def order(self, camera: CameraSpec, events: tuple[EventSpec, ...]) -> RulesOrder:
        """Return what changes the rules of a camera's stream to those of other events."""
        return RulesOrder(events, self._services_of(camera, events), self.config_hash)

    def panel(self) -> Panel:
        """Return the names that the encoder knows; raise ``ServiceLost`` where it is gone."""
        return self._encoder.panel()

    def take_events(self) -> tuple[Event, ...]:
        """Return the last revision of the latest events, and forget them."""
        return self._sink.take()

    def end_open(self) -> None:
        """End what the last run left open."""
        self._sink.end_open()

    def erase(self, ids: frozenset[str], before_s: float = 0.0) -> int:
        """Forget events that wait or are open; return how many revisions."""
        return self._sink.erase(ids, before_s)

    def publish(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        """Accept events for good."""
        return self._sink.publish(events)

    def follow(self, reader: str) -> int:
        """Keep in the event log what a reader of it has not acknowledged; return up to where it has."""
        return self._sink.follow(reader)

    def acknowledge(self, reader: str, up_to: int) -> None:
        """Let go of what a reader of the event log has acknowledged."""
        self._sink.acknowledge(reader, up_to)

    def amend(
        self, event_id: str, verification: Verification | None = None, caption: Caption | None = None
    ) -> Event | None:
        """Add a verdict or a caption to an event; return its new revision, None where it is not there."""
        return self._sink.amend(event_id, verification, caption)

    def flush(self, timeout_s: float) -> bool:
        """Wait until every event is published; return whether that came true in time."""
        try:
            return self._sink.flush(timeout_s)
        except ServiceLost:
            return False
