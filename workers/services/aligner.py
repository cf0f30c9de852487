"""The trained aligner of one process, for all streams: keeps each window, and reads several windows in one pass.

If more requests wait than a short pass can read, the order is that of ``RequestScheduler``. No request is dropped: its
stream waits, and drops frames if necessary.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from alignment.aligners.trained.incremental import AlignerInfo, Logits, WindowDelta
from alignment.calibration import SimilarityCalibration
from alignment.errors import WatchwordError
from alignment.types import F32, Bools, EventQuery, FeatureWindow
from workers.clock import Clock, SystemClock
from workers.errors import ModelUnavailable, SessionLost
from workers.models.device import one_core
from workers.services.aligner_options import AlignerOptions, load_network
from workers.services.scheduler import DEFAULT_CONTEXT, RequestContext, RequestScheduler
from workers.telemetry import Histogram, HistogramSnapshot, InFlightTimer

if TYPE_CHECKING:  # loads torch: with the first service, not in every actor
    from alignment.aligners.trained.cross_attention import Memory

P = ParamSpec("P")
T = TypeVar("T")
IDLE_S = 600.0  # a stream that was killed does not end its session; after this time a session is opened again


@dataclass(slots=True)
class _Session:
    memory: "Memory"
    context: RequestContext
    used: float  # monotonic


@dataclass(frozen=True, slots=True)
class _Request:
    session: str
    delta: WindowDelta
    response: "Future[Logits]"


@dataclass(frozen=True, slots=True)
class AlignerSnapshot:
    """A service's counters, copied at one moment."""

    sessions: int  # windows that it keeps
    batches: dict[int, int]  # requests served by a pass -> number of such passes
    seconds: HistogramSnapshot  # a pass
    queue_depth: int  # requests that wait
    in_flight_s: float = 0.0  # how long the present piece of work has taken so far


class AlignerService:
    """The network behind every ``AlignerClient`` of a process; thread-safe. It runs in a thread of its own."""

    def __init__(
        self, options: AlignerOptions, calibration: SimilarityCalibration, vocabulary: F32, clock: Clock | None = None
    ) -> None:
        self._aligner, self._vocabulary = load_network(options, calibration), vocabulary
        self._clock = clock or SystemClock()
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()  # of the queue and the counters
        self._queue: RequestScheduler[_Request] = RequestScheduler(self._clock)
        self._batches: Counter[int] = Counter()
        self._seconds = Histogram()
        self._in_flight = InFlightTimer(self._clock)
        self._thread = one_core("aligner")

    def info(self) -> AlignerInfo:
        """Return what the network is."""
        return self._aligner.info

    def begin(
        self, session: str, queries: Sequence[EventQuery], context: RequestContext = DEFAULT_CONTEXT
    ) -> "Future[None]":
        """Open a session, or open it again; sessions that were idle for ``IDLE_S`` are forgotten."""
        return self._do(self._begin, session, queries, context)

    def read(self, session: str, delta: WindowDelta) -> "Future[Logits]":
        """Score what is new of a session's window; the Future raises ``SessionLost`` where it is not open."""
        request, known = _Request(session, delta, Future()), self._sessions.get(session)
        with self._lock:
            self._queue.put(request, known.context if known else DEFAULT_CONTEXT, may_drop=False)
        self._do(self._serve)
        return request.response

    def end(self, session: str) -> None:
        """Forget a session."""
        self._sessions.pop(session, None)

    def attend(self, window: FeatureWindow, query: EventQuery) -> "Future[F32]":
        """Return the network's attention to each word, f32[T, W]."""
        return self._do(self._aligner.attend, window, self._known(query))

    def look(self, query: EventQuery, frames: F32, mask: Bools) -> "Future[F32]":
        """Return the logits of a sequence of clips, read at once (``alignment/aligners/trained/whole``)."""
        return self._do(self._aligner.look, self._known(query), frames, mask)

    def snapshot(self) -> AlignerSnapshot:
        """Return the counters."""
        with self._lock:
            counted = (dict(self._batches), self._seconds.snapshot(), len(self._queue))
            return AlignerSnapshot(len(self._sessions), *counted, self._in_flight.seconds)

    def close(self) -> None:
        """Finish all requests and stop."""
        self._thread.shutdown()

    def _do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        def timed() -> T:
            with self._in_flight:
                return work(*args, **kwargs)

        try:
            return self._thread.submit(timed)
        except RuntimeError:  # after ``close``
            raise ModelUnavailable("the aligner was closed", "send requests before closing it") from None

    def _known(self, query: EventQuery) -> EventQuery:
        return replace(query, vocabulary=self._vocabulary)

    def _begin(self, session: str, queries: Sequence[EventQuery], context: RequestContext) -> None:
        now = self._clock.monotonic()
        for name in [n for n, s in list(self._sessions.items()) if now - s.used > IDLE_S]:
            self.end(name)
        self._sessions[session] = _Session(self._aligner.remember([self._known(q) for q in queries]), context, now)

    def _serve(self) -> None:
        """Serve the next requests in one pass. Every request schedules a call, so later calls serve the rest."""
        usable = [(memory, r) for r in self._next() if (memory := self._memory(r)) is not None]
        if not usable:  # an earlier call has served them
            return
        began = self._clock.monotonic()
        try:
            found = self._aligner.read([(memory, r.delta) for memory, r in usable])
        except Exception as error:  # boundary: an error of the network belongs to the requests
            for _, request in usable:
                request.response.set_exception(error)
            return
        self._count(len(usable), self._clock.monotonic() - began)
        for (_, request), logits in zip(usable, found, strict=True):
            request.response.set_result(logits)

    def _next(self) -> list[_Request]:
        """Take the requests of a pass, one per session: the second may depend on the result of the first."""
        found: dict[str, _Request] = {}
        with self._lock:
            most = self._queue.most(len(self._queue))
            while len(found) < most and (following := self._queue.next()) and following.item.session not in found:
                self._queue.serve(following)
                found[following.item.session] = following.item
        return list(found.values())

    def _memory(self, request: _Request) -> "Memory | None":
        """Return the memory of a request's session; None where the request failed or was cancelled."""
        session = self._sessions.get(request.session)
        if not request.response.set_running_or_notify_cancel():
            return None
        try:
            if session is None:
                raise SessionLost("the aligner does not know this session", "it is opened again")
            session.memory.check(request.delta)
        except WatchwordError as error:
            request.response.set_exception(error)
            return None
        session.used = self._clock.monotonic()
        return session.memory

    def _count(self, requests: int, seconds: float) -> None:
        with self._lock:
            self._queue.took(requests, seconds)
            self._batches[requests] += 1
            self._seconds.observe(seconds)
