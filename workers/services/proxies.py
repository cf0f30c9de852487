"""The clients of services over a transport, which carries a call to this process or to another one.

Each proxy adds types, and what belongs to one stream: ``EncoderProxy`` and ``DetectorProxy`` send its
``RequestContext`` along.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from alignment.aligners.trained.incremental import AlignerInfo, Logits, WindowDelta
from alignment.summary.tags import Panel
from alignment.types import F32, Bools, Detections, EventQuery, FeatureWindow
from workers.errors import ServiceLost
from workers.events.event import Caption, Event, Verification
from workers.events.evidence import Pictures
from workers.index.types import TapeBatch
from workers.publish.base import SinkSnapshot
from workers.services.clients import EncoderDescription
from workers.services.scheduler import DEFAULT_CONTEXT, RequestContext
from workers.types import U8, Areas, EventSpec, Receipt, Utterance, VoicedChunk

T = TypeVar("T")
ROUND_TRIP_S = 0.5
TAKE_S = 30.0


class Transport(Protocol):
    """Calls a method of one service by its name: ``transport("encode_frames", frames, context)``."""

    def __call__(self, method: str, /, *args: Any) -> "Future[T]":
        """Return the Future of the result; errors come with it."""
        ...


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """A ``Transport`` to a service in this process. A method that returns no Future has run when the call returns."""

    service: object

    def __call__(self, method: str, /, *args: Any) -> "Future[Any]":
        """Call the method; return its Future, or a Future that is done."""
        response: Future[Any] = Future()
        try:
            result = getattr(self.service, method)(*args)
        except Exception as error:  # boundary: as from another process, the error belongs to whoever waits
            response.set_exception(error)
            return response
        if isinstance(result, Future):
            return result
        response.set_result(result)
        return response


@dataclass(frozen=True, slots=True)
class EncoderProxy:
    """``EncoderClient`` of one stream, whose requests are scheduled in ``context``."""

    transport: Transport
    context: RequestContext = DEFAULT_CONTEXT

    def describe(self) -> EncoderDescription:
        """Return what the encoder is; raise ``ModelUnavailable``."""
        return _wait(self.transport("describe"))

    def build_queries(self, specs: Sequence[EventSpec]) -> tuple[EventQuery, ...]:
        """Embed descriptions."""
        return _wait(self.transport("build_queries", specs, self.context))

    def query_warnings(self, specs: Sequence[EventSpec], hears: bool) -> tuple[str, ...]:
        """Judge descriptions."""
        return _wait(self.transport("query_warnings", specs, hears, self.context))

    def encode_frames(self, frames: U8) -> "Future[F32]":
        """Embed frames."""
        return self.transport("encode_frames", frames, self.context)

    def encode_zones(self, frames: U8, zones: tuple[Areas, ...]) -> "Future[F32]":
        """Embed frames and zones of each."""
        return self.transport("encode_zones", frames, zones, self.context)

    def encode_sentences(self, texts: Sequence[str]) -> "Future[F32]":
        """Embed sentences."""
        return self.transport("encode_sentences", texts, self.context)

    def panel(self) -> Panel:
        """Return the names that the encoder knows."""
        return _wait(self.transport("panel"))

    def nearest_name(self, frames: F32) -> "Future[str]":
        """Name what frames are most like."""
        return self.transport("nearest_name", frames)


@dataclass(frozen=True, slots=True)
class DetectorProxy:
    """``DetectorClient`` of one stream, whose requests are scheduled in ``context``."""

    transport: Transport
    context: RequestContext = DEFAULT_CONTEXT

    def detect(self, frames: U8) -> "Future[Detections]":
        """Find objects in frames."""
        return self.transport("detect", frames, self.context)


@dataclass(frozen=True, slots=True)
class AlignerProxy:
    """``AlignerClient``."""

    transport: Transport

    def info(self) -> AlignerInfo:
        """Return what the network is."""
        return _wait(self.transport("info"))

    def begin(
        self, session: str, queries: Sequence[EventQuery], context: RequestContext = DEFAULT_CONTEXT
    ) -> "Future[None]":
        """Open a session."""
        return self.transport("begin", session, queries, context)

    def read(self, session: str, delta: WindowDelta) -> "Future[Logits]":
        """Score what is new."""
        return self.transport("read", session, delta)

    def look(self, query: EventQuery, frames: F32, mask: Bools) -> "Future[F32]":
        """Return the logits of a sequence of clips."""
        return self.transport("look", query, frames, mask)

    def end(self, session: str) -> None:
        """Forget a session."""
        self.transport("end", session)

    def attend(self, window: FeatureWindow, query: EventQuery) -> "Future[F32]":
        """Return the network's attention to each word."""
        return self.transport("attend", window, query)


@dataclass(frozen=True, slots=True)
class SpeechProxy:
    """``SpeechClient``."""

    transport: Transport

    def submit(self, chunk: VoicedChunk, wait: bool) -> "Future[tuple[Utterance, ...]]":
        """Transcribe a chunk."""
        return self.transport("submit", chunk, wait)


@dataclass(frozen=True, slots=True)
class SinkProxy:
    """``Sink``, and the latest events of a ``PublisherService``."""

    transport: Transport

    def publish(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        """Accept events for good; raise ``EventLogError``."""
        return _wait(self.transport("publish", events))

    def end_open(self, camera: str | None = None) -> tuple[Event, ...]:
        """End the live events that a stream which died left open; return their ends."""
        return _wait(self.transport("end_open", camera))

    def erase(self, ids: frozenset[str], before_s: float = 0.0) -> int:
        """Forget events that wait or are open; return how many revisions."""
        return _wait(self.transport("erase", ids, before_s))

    def follow(self, reader: str) -> int:
        """Keep in the event log what a reader has not acknowledged; return up to where it has."""
        return _wait(self.transport("follow", reader))

    def acknowledge(self, reader: str, up_to: int) -> None:
        """Let go of what a reader has acknowledged; raise ``ServiceLost`` where there is no response in time."""
        _wait(self.transport("acknowledge", reader, up_to))

    def amend(
        self, event_id: str, verification: Verification | None = None, caption: Caption | None = None
    ) -> Event | None:
        """Add a verdict or a caption to an event; raise ``ServiceLost`` where there is no response in time."""
        return _wait(self.transport("amend", event_id, verification, caption))

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing waits in the event log; raise ``ServiceLost`` where there is no response in time."""
        return _wait(self.transport("flush", timeout_s), timeout_s + ROUND_TRIP_S)

    def take(self) -> tuple[Event, ...]:
        """Return the last revision of the latest events, and forget them."""
        return _wait(self.transport("take"), TAKE_S)

    def snapshot(self) -> SinkSnapshot:
        """Return the counters."""
        return _wait(self.transport("snapshot"))

    def close(self, timeout_s: float | None = None) -> None:
        """Stop publishing; raise ``ServiceLost`` where there is no response in time."""
        _wait(self.transport("close"), timeout_s)


@dataclass(frozen=True, slots=True)
class StateProxy:
    """``StateClient``."""

    transport: Transport

    def save_pictures(
        self, camera: str, name: str, snapshot: bytes | None, explanation: bytes | None, clip: bool = False
    ) -> Pictures:
        """Keep the pictures of an event."""
        return _wait(self.transport("save_pictures", camera, name, snapshot, explanation, clip))

    def keep_evidence(
        self, camera: str, name: str, event_id: str, content: bytes, shown: tuple[float, float] | None
    ) -> bool:
        """Keep a file of an event that was made later."""
        return _wait(self.transport("keep_evidence", camera, name, event_id, content, shown))

    def load_budgets(self, camera: str) -> bytes | None:
        """Return what a camera saved last."""
        return _wait(self.transport("load_budgets", camera))

    def save_budgets(self, camera: str, document: bytes) -> None:
        """Keep what a camera has learned."""
        _wait(self.transport("save_budgets", camera, document))

    def record(self, batch: TapeBatch) -> "Future[bool]":
        """Write a part of a stream to the index."""
        return self.transport("record", batch)

    def close(self, timeout_s: float) -> None:
        """Write what waits for the index; raise ``ServiceLost`` where there is no response in time."""
        _wait(self.transport("close", timeout_s), timeout_s + ROUND_TRIP_S)

    def keep_samples(self, camera: str, event_id: str, content: bytes) -> None:
        """Keep the features of an event that people may judge."""
        _wait(self.transport("keep_samples", camera, event_id, content))

    def keep_frames(self, camera: str, event_id: str, content: bytes) -> None:
        """Keep frames of an event."""
        _wait(self.transport("keep_frames", camera, event_id, content))

    def load_head(self, event: str) -> bytes | None:
        """Return the head in force of an event."""
        return _wait(self.transport("load_head", event))

    def forbids(self, camera: str, event_id: str, live_span: tuple[float, float] | None) -> bool:
        """Return whether an event must not be published."""
        return _wait(self.transport("forbids", camera, event_id, live_span))

    def erased(self, camera: str, spans: Sequence[tuple[float, float]]) -> tuple[bool, ...]:
        """Return which spans were erased."""
        return _wait(self.transport("erased", camera, spans))


def _wait(response: "Future[T]", timeout_s: float | None = None) -> T:
    """Return a response's result or raise its error; raise ``ServiceLost`` after ``timeout_s`` seconds."""
    try:
        return response.result(timeout_s)
    except TimeoutError:
        if response.done():  # the service ran into a time limit itself
            raise
        raise ServiceLost("a service does not respond", "it is busy or stopped") from None
