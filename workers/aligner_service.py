"""The trained aligner of one process, for all streams: remembers each window, reads several that wait in one pass.

Where more wait than a short pass can read, the order is that of ``turns``. None is dropped: its stream waits, and drops
frames if it must.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from alignment.calibration import SimilarityCalibration
from alignment.errors import WatchwordError
from alignment.sliding import Logits, Traits, Unread
from alignment.types import F32, EventQuery, FeatureWindow
from workers.aligners import AlignerOptions, load_network
from workers.clock import Clock, SystemClock
from workers.encoders.device import one_core
from workers.errors import ModelUnavailable, SessionLost
from workers.telemetry import Histogram, HistogramSnapshot, InHand
from workers.turns import ANYONE, Turn, TurnQueue

if TYPE_CHECKING:  # loads torch: with the first service, not in every actor
    from alignment.cross_attention import Memory

P = ParamSpec("P")
T = TypeVar("T")
IDLE_S = 600.0  # a stream that was killed says no goodbye; one that comes back later begins anew


@dataclass(slots=True)
class _Session:
    memory: "Memory"
    turn: Turn
    used: float  # monotonic


@dataclass(frozen=True, slots=True)
class _Request:
    session: str
    asked: Unread
    answer: "Future[Logits]"


@dataclass(frozen=True, slots=True)
class AlignerSnapshot:
    """A service's counters, copied at one moment."""

    sessions: int  # windows that it remembers
    batches: dict[int, int]  # requests answered by a pass -> how many such passes
    seconds: HistogramSnapshot  # a pass
    queue_depth: int  # requests that wait
    in_hand_s: float = 0.0  # how long the piece of work in hand has taken so far


class AlignerService:
    """The ``AlignerClient`` of one process; thread-safe. Requests are answered on a thread of its own."""

    def __init__(
        self, options: AlignerOptions, calibration: SimilarityCalibration, vocabulary: F32, clock: Clock | None = None
    ) -> None:
        self._aligner, self._vocabulary = load_network(options, calibration), vocabulary
        self._clock = clock or SystemClock()
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()  # of the queue and the counters
        self._queue: TurnQueue[_Request] = TurnQueue(self._clock)
        self._batches: Counter[int] = Counter()
        self._seconds = Histogram()
        self._in_hand = InHand(self._clock)
        self._thread = one_core("aligner")

    def traits(self) -> Traits:
        """Return what the network is."""
        return self._aligner.traits

    def begin(self, session: str, queries: Sequence[EventQuery], turn: Turn = ANYONE) -> "Future[None]":
        """Open a session, or open it anew; those that nobody uses any more are forgotten."""
        return self._do(self._begin, session, queries, turn)

    def read(self, session: str, asked: Unread) -> "Future[Logits]":
        """Ask for what is new of a session's window; the answer is ``SessionLost`` where it is not open."""
        request, known = _Request(session, asked, Future()), self._sessions.get(session)
        with self._lock:
            self._queue.put(request, known.turn if known else ANYONE, may_drop=False)
        self._do(self._turn)
        return request.answer

    def end(self, session: str) -> None:
        """Forget a session."""
        self._sessions.pop(session, None)

    def attend(self, window: FeatureWindow, query: EventQuery) -> "Future[F32]":
        """Ask for f32[T, W]: the network's attention to each word."""
        return self._do(self._aligner.attend, window, self._known(query))

    def snapshot(self) -> AlignerSnapshot:
        """Return the counters."""
        with self._lock:
            counted = (dict(self._batches), self._seconds.snapshot(), len(self._queue))
            return AlignerSnapshot(len(self._sessions), *counted, self._in_hand.seconds)

    def close(self) -> None:
        """Answer what was asked for and stop."""
        self._thread.shutdown()

    def _do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        def timed() -> T:
            with self._in_hand:
                return work(*args, **kwargs)

        try:
            return self._thread.submit(timed)
        except RuntimeError:  # after ``close``
            raise ModelUnavailable("the aligner has been closed", "ask before closing") from None

    def _known(self, query: EventQuery) -> EventQuery:
        return replace(query, vocabulary=self._vocabulary)

    def _begin(self, session: str, queries: Sequence[EventQuery], turn: Turn) -> None:
        now = self._clock.monotonic()
        for name in [n for n, s in list(self._sessions.items()) if now - s.used > IDLE_S]:
            self.end(name)
        self._sessions[session] = _Session(self._aligner.remember([self._known(q) for q in queries]), turn, now)

    def _turn(self) -> None:
        """Answer those whose turn it is. Every request asks for a turn, so what is left here has its own to come."""
        usable = [(memory, r) for r in self._next() if (memory := self._memory(r)) is not None]
        if not usable:  # an earlier turn has answered them
            return
        began = self._clock.monotonic()
        try:
            found = self._aligner.read([(memory, r.asked) for memory, r in usable])
        except Exception as error:  # boundary: whatever the network raises belongs to those who asked
            for _, request in usable:
                request.answer.set_exception(error)
            return
        self._count(len(usable), self._clock.monotonic() - began)
        for (_, request), logits in zip(usable, found, strict=True):
            request.answer.set_result(logits)

    def _next(self) -> list[_Request]:
        """Take what a pass can read, of each session only the first: its second may rest on the answer."""
        found: dict[str, _Request] = {}
        with self._lock:
            most = self._queue.most(len(self._queue))
            while len(found) < most and (following := self._queue.next()) and following.item.session not in found:
                self._queue.serve(following)
                found[following.item.session] = following.item
        return list(found.values())

    def _memory(self, request: _Request) -> "Memory | None":
        """Return what is kept for a request; None where it cannot be answered, which its asker is told."""
        session = self._sessions.get(request.session)
        if not request.answer.set_running_or_notify_cancel():
            return None
        try:
            if session is None:
                raise SessionLost("the aligner does not know this session", "it is begun anew")
            session.memory.check(request.asked)
        except WatchwordError as error:
            request.answer.set_exception(error)
            return None
        session.used = self._clock.monotonic()
        return session.memory

    def _count(self, requests: int, seconds: float) -> None:
        with self._lock:
            self._queue.took(requests, seconds)
            self._batches[requests] += 1
            self._seconds.observe(seconds)
