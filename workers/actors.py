"""The Ray shells: actors around the plain classes, and the clients through which streams reach them.

Methods return at once or are coroutines: an actor that works in its own threads can always answer. Constructors keep
an error for the first caller, for an exception in a Ray constructor arrives as a dead actor without a message.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import ray
import structlog
from ray.exceptions import RayActorError, RayTaskError

from alignment.errors import WatchwordError
from alignment.sliding import Logits, Traits, Unread
from alignment.types import F32, EventQuery, FeatureWindow
from workers.aligner_service import AlignerService, AlignerSnapshot
from workers.aligners import AlignerOptions
from workers.batching import BatcherSnapshot
from workers.encoder_service import EncoderService
from workers.encoders.options import EncoderOptions
from workers.errors import ServiceDied, ServiceLost
from workers.publish.base import SinkSnapshot
from workers.publish.redis_settings import RedisSettings
from workers.publisher_service import open_publisher
from workers.queries import without_vocabulary
from workers.services import EncoderDescription
from workers.settings import ServiceSettings
from workers.snapshots import StreamSnapshot
from workers.sources.factory import build_confined
from workers.speech import SpeechOptions, SpeechRecognizer
from workers.speech_queue import SpeechQueue, SpeechSnapshot
from workers.stream_worker import StreamWorker
from workers.turns import ANYONE, Turn, turn_of
from workers.types import U8, CameraSpec, Event, EventSpec, Receipt, Utterance, VoicedChunk

Handle = Any  # Ray's actor handles and references carry no types

log = structlog.get_logger()
T = TypeVar("T")
ROUND_TRIP_S = 0.5
TAKE_S = 30.0
JOIN_S = 5.0
RELOAD_S = 5.0  # a disk may come back, a predecessor let go of its spool or its GPU at last
# A model that has been at one piece of work for so long hangs. Speech: half a minute of sound, and large models.
ENCODER_HANGS_S, SPEECH_HANGS_S = 90.0, 240.0


class Kept(Generic[T]):
    """A service, or the error with which it failed to load: a call ``again_s`` after that tries once more."""

    def __init__(self, build: Callable[[], T], again_s: float = RELOAD_S) -> None:
        self._build, self._again_s = build, again_s
        self._lock = threading.Lock()
        self._value: T | None = None
        self._error: WatchwordError | None = None
        self._load()

    def __call__(self) -> T:
        """Return the service; raise the error."""
        with self._lock:
            if self._value is None and time.monotonic() - self._tried >= self._again_s:
                self._load()
        if self._value is None:
            raise self._error or WatchwordError("the service did not load")
        return self._value

    def _load(self) -> None:
        try:
            self._value = self._build()
        except WatchwordError as error:
            self._error = error
        except Exception as error:  # raised in a constructor it would end the actor for good: Ray starts no other
            log.exception("service failed to load unexpectedly")
            self._error = WatchwordError(f"a service failed to load: {error!r}", "this is a bug: please report it")
        self._tried = time.monotonic()


class EncoderActor:
    """Vision and text encoder of one device, for all streams, and the network of their aligner, if it is trained."""

    def __init__(self, options: EncoderOptions, aligner: AlignerOptions) -> None:
        self._service = Kept(lambda: EncoderService(options))
        self._aligner = aligner

    @cached_property
    def _network(self) -> AlignerService:
        return AlignerService(self._aligner, self._service().describe().calibration, self._service().vocabulary)

    async def describe(self) -> EncoderDescription:
        return self._service().describe()

    async def build_queries(self, specs: Sequence[EventSpec], turn: Turn) -> tuple[EventQuery, ...]:
        queries = await asyncio.to_thread(self._service().build_queries, specs, turn)
        return tuple(map(without_vocabulary, queries))

    async def encode_frames(self, frames: U8, turn: Turn) -> F32:
        # a copy: Ray's arrays are read-only and pin the object store
        return await asyncio.wrap_future(self._service().encode_frames(np.array(frames), turn))

    async def encode_sentences(self, texts: Sequence[str], turn: Turn) -> F32:
        return await asyncio.wrap_future(self._service().encode_sentences(texts, turn))

    async def snapshot(self) -> tuple[BatcherSnapshot, AlignerSnapshot | None]:
        network: AlignerService | None = vars(self).get("_network")  # the first stream loads it
        found = self._service().snapshot(), network.snapshot() if network else None
        for counted in found:
            _require_progress(counted, ENCODER_HANGS_S)
        return found

    async def traits(self) -> Traits:
        return self._network.traits()

    async def begin(self, session: str, queries: Sequence[EventQuery], turn: Turn) -> None:
        await asyncio.wrap_future(self._network.begin(session, queries, turn))

    async def read(self, session: str, asked: Unread) -> Logits:
        return await asyncio.wrap_future(self._network.read(session, asked))

    async def end(self, session: str) -> None:
        self._network.end(session)

    async def attend(self, window: FeatureWindow, query: EventQuery) -> F32:
        return await asyncio.wrap_future(self._network.attend(window, query))


class SpeechActor:
    """The transcriber, for all streams."""

    def __init__(self, options: SpeechOptions) -> None:
        self._queue = Kept(lambda: SpeechQueue(SpeechRecognizer(options)))

    async def check(self) -> None:
        self._queue()

    async def submit(self, chunk: VoicedChunk, wait: bool) -> tuple[Utterance, ...]:
        submit = self._queue().submit  # a camera never waits, so not for a thread either: files hold them all
        answer = await asyncio.to_thread(submit, chunk, True) if wait else submit(chunk, False)
        return await asyncio.wrap_future(answer)

    async def snapshot(self) -> SpeechSnapshot:
        found = self._queue().snapshot()
        _require_progress(found, SPEECH_HANGS_S)
        return found


class PublisherActor:
    """The spool and the connection to Redis."""

    def __init__(self, settings: RedisSettings | None, spool_folder: Path | None) -> None:
        self._service = Kept(lambda: open_publisher(settings, spool_folder))

    def publish(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        return self._service().publish(events)

    def end_open(self, camera: str | None) -> tuple[Event, ...]:
        return self._service().end_open(camera)

    def erase(self, ids: frozenset[str], before_s: float) -> int:
        return self._service().erase(ids, before_s)

    def flush(self, timeout_s: float) -> bool:
        return self._service().flush(timeout_s)

    def take(self) -> tuple[Event, ...]:
        return self._service().take()

    def snapshot(self) -> SinkSnapshot:
        return self._service().snapshot()

    def close(self) -> None:
        self._service().close()


class StreamActor:
    """One camera, or one upload after the other. It is not restarted by Ray: the supervisor starts another."""

    def __init__(self, settings: ServiceSettings, encoder: Handle, speech: Handle | None, publisher: Handle) -> None:
        self._settings, self._encoder = settings, encoder
        self._hears = RaySpeech(speech) if speech is not None else None
        self._network = RayAligner(encoder) if settings.aligner.served else None
        self._sink = RaySink(publisher)
        self._worker: StreamWorker | None = None

    def watch(self, camera: CameraSpec, events: tuple[EventSpec, ...]) -> None:
        """Begin; where something was watched before, once that has ended."""
        if self._worker is not None and not self._worker.join(JOIN_S):
            os._exit(1)  # two would share the memory that one may have: the supervisor starts another actor
        encodes = RayEncoder(self._encoder, turn_of(camera, events))
        services = (encodes, self._hears, self._network, self._sink, build_confined)
        self._worker = StreamWorker(camera, events, self._settings, *services)
        self._worker.start()

    def stop(self) -> None:
        self._begun().stop()

    def snapshot(self) -> StreamSnapshot:
        return self._begun().snapshot()

    def _begun(self) -> StreamWorker:
        if self._worker is None:  # `watch`, which nobody waits for, has failed
            raise ServiceDied("a stream could not be begun", "it is started again; see the log for why")
        return self._worker


class RayEncoder:
    """``EncoderClient`` over an ``EncoderActor``, in one stream's turn."""

    def __init__(self, actor: Handle, turn: Turn = ANYONE) -> None:
        self._actor, self._turn = actor, turn

    def describe(self) -> EncoderDescription:
        """Return what the encoder is; raise ``ModelUnavailable``."""
        found: EncoderDescription = get(self._actor.describe.remote())
        return found

    def build_queries(self, specs: Sequence[EventSpec]) -> tuple[EventQuery, ...]:
        """Embed descriptions."""
        queries: tuple[EventQuery, ...] = get(self._actor.build_queries.remote(specs, self._turn))
        return queries

    def encode_frames(self, frames: U8) -> "Future[F32]":
        """Embed frames."""
        return _future(self._actor.encode_frames.remote(frames, self._turn))

    def encode_sentences(self, texts: Sequence[str]) -> "Future[F32]":
        """Embed sentences."""
        return _future(self._actor.encode_sentences.remote(texts, self._turn))


class RayAligner:
    """``AlignerClient`` over an ``EncoderActor``."""

    def __init__(self, actor: Handle) -> None:
        self._actor = actor

    def traits(self) -> Traits:
        """Return what the network is."""
        found: Traits = get(self._actor.traits.remote())
        return found

    def begin(self, session: str, queries: Sequence[EventQuery], turn: Turn = ANYONE) -> "Future[None]":
        """Open a session."""
        return _future(self._actor.begin.remote(session, queries, turn))

    def read(self, session: str, asked: Unread) -> "Future[Logits]":
        """Read what is new."""
        return _future(self._actor.read.remote(session, asked))

    def end(self, session: str) -> None:
        """Forget a session."""
        self._actor.end.remote(session)

    def attend(self, window: FeatureWindow, query: EventQuery) -> "Future[F32]":
        """Ask for the network's attention to each word."""
        return _future(self._actor.attend.remote(window, query))


class RaySpeech:
    """``SpeechClient`` over a ``SpeechActor``."""

    def __init__(self, actor: Handle) -> None:
        self._actor = actor

    def submit(self, chunk: VoicedChunk, wait: bool) -> "Future[tuple[Utterance, ...]]":
        """Ask for a transcript."""
        return _future(self._actor.submit.remote(chunk, wait))


class RaySink:
    """``Sink`` over a ``PublisherActor``."""

    def __init__(self, actor: Handle) -> None:
        self.actor = actor

    def publish(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        """Accept events for good; raise ``SpoolError``."""
        receipts: tuple[Receipt, ...] = get(self.actor.publish.remote(events))
        return receipts

    def end_open(self, camera: str | None = None) -> tuple[Event, ...]:
        """End what a stream that died left open."""
        ends: tuple[Event, ...] = get(self.actor.end_open.remote(camera))
        return ends

    def erase(self, ids: frozenset[str], before_s: float = 0.0) -> int:
        """Forget events that wait or are open."""
        return int(get(self.actor.erase.remote(ids, before_s)))

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing waits in the spool."""
        return bool(get(self.actor.flush.remote(timeout_s), timeout_s + ROUND_TRIP_S))

    def take(self) -> tuple[Event, ...]:
        """Return the last revision of the latest events, and forget them."""
        events: tuple[Event, ...] = get(self.actor.take.remote(), TAKE_S)
        return events

    def snapshot(self) -> SinkSnapshot:
        """Return the counters."""
        counters: SinkSnapshot = get(self.actor.snapshot.remote())
        return counters

    def close(self, timeout_s: float | None = None) -> None:
        """Stop publishing; raise ``ServiceLost`` where that is not answered in time."""
        get(self.actor.close.remote(), timeout_s)


def _require_progress(counted: BatcherSnapshot | AlignerSnapshot | SpeechSnapshot | None, limit_s: float) -> None:
    """Raise ``ServiceLost``, for which an actor is replaced, where its work hangs though it can still answer."""
    if counted is not None and counted.in_hand_s > limit_s:
        raise ServiceLost(f"its model has been at one piece of work for {counted.in_hand_s:.0f} s", "it is replaced")


def get(ref: Handle, timeout_s: float | None = None) -> Any:
    """Wait for a remote result; raise our own error as it was raised there, ``ServiceLost`` for a dead actor."""
    try:
        return ray.get(ref, timeout=timeout_s)
    except RayTaskError as error:
        raise _ours(error) from None
    except (RayActorError, ray.exceptions.GetTimeoutError) as error:
        raise _ours(error) from None


def _ours(error: BaseException) -> BaseException:
    """Return what an exception that came through Ray means to us."""
    if isinstance(error, RayTaskError):
        cause = error.cause
        return cause if isinstance(cause, WatchwordError) else error
    if isinstance(error, RayActorError):
        return ServiceDied("an actor died", "it is restarted; see the log for why")
    if isinstance(error, ray.exceptions.GetTimeoutError):
        return ServiceLost("an actor does not answer", "it is busy or stopped")
    return error


def _future(ref: Handle) -> "Future[Any]":
    """Return a future of a remote result whose errors are ours."""
    answer: Future[Any] = Future()

    def settle(done: "Future[Any]") -> None:
        error = done.exception()
        if error is None:
            answer.set_result(done.result())
        else:
            answer.set_exception(_ours(error))

    ref.future().add_done_callback(settle)
    return answer
