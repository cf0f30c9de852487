"""Scheduling of requests to a shared service: who is served next, and what is dropped under overload.

Live streams come first: the higher priority of the camera, then of its most important event, then the camera that was
served least recently. Requests of files, and texts, are never dropped, so they wait; of those that have waited for
``PATIENCE_S`` one is preferred to all others, once in that time. A request for live frames is dropped once others were
served before it for ``RequestContext.late_s``: its camera has fresher frames by then. Time in which the service serves
nobody does not count.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from workers.clock import Clock
from workers.sources.url import is_live
from workers.types import CameraSpec, EventSpec

LATE_S = 2.0  # at least; and a camera's time from frame to frame
PATIENCE_S = 1.0
SMOOTHING = 0.3  # weight of the latest pass in the mean time of a piece of work
MAX_PASS_S = 0.025  # of a model while streams are live: the next request starts after it

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The stream that sends requests. ``priority``: of the camera, and of its most important event."""

    camera: str = ""
    priority: tuple[int, int] = (5, 5)
    live: bool = False
    late_s: float = LATE_S


DEFAULT_CONTEXT = RequestContext()  # files, tools


def request_context(camera: CameraSpec, events: Sequence[EventSpec]) -> RequestContext:
    """Return the context of the requests of a camera's stream."""
    most = max((e.priority for e in events), default=0)
    return RequestContext(camera.name, (camera.priority, most), is_live(camera.url), max(LATE_S, camera.hop_s))


@dataclass(slots=True, eq=False)
class Waiting(Generic[T]):
    """A request in the queue. ``passed_at``: when another request was first served before it. Monotonic seconds."""

    item: T
    context: RequestContext
    may_drop: bool
    number: int
    since: float
    passed_at: float | None = None


class RequestScheduler(Generic[T]):
    """The waiting requests of one service. Not thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: list[Waiting[T]] = []
        self._arrived = self._serves = 0
        self._served: dict[str, int] = {}  # camera -> number of its latest serve
        self._favoured_at = float("-inf")  # when an impatient request was served last
        self._live = False
        self._piece_s = 0.0  # recent mean time of a piece of work

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: T, context: RequestContext, may_drop: bool) -> None:
        """Add a request to the queue."""
        self._live |= context.live
        self._arrived += 1
        self._waiting.append(Waiting(item, context, may_drop, self._arrived, self._clock.monotonic()))

    def next(self, eligible: Callable[[T], bool] = lambda item: True) -> Waiting[T] | None:
        """Return the request that is served next, of those whose items are ``eligible``, without removing it."""
        waiting = [w for w in self._waiting if eligible(w.item)]
        if self._clock.monotonic() - self._favoured_at >= PATIENCE_S:
            impatient = [w for w in waiting if self._is_impatient(w)]
            if impatient:
                return min(impatient, key=self._longest)
        return min(waiting, key=self._rank, default=None)

    def serve(self, request: Waiting[T], done: bool = True) -> None:
        """Record that a request is served, and remove it; unless ``done``, the rest of it stays in the queue."""
        self._serves += 1
        self._served[request.context.camera] = self._serves
        now = self._clock.monotonic()
        if self._is_impatient(request):
            self._favoured_at = now
        request.since = now
        if done:
            self._waiting.remove(request)

    def shed(self) -> list[T]:
        """Record that another request was served before all that wait; remove and return those that are too late."""
        now, late = self._clock.monotonic(), []
        for request in self._waiting:
            if request.passed_at is None:
                request.passed_at = now
            elif request.may_drop and now - request.passed_at >= request.context.late_s:
                late.append(request)
        self._waiting = [w for w in self._waiting if w not in late]
        return [w.item for w in late]

    def took(self, pieces: int, seconds: float) -> None:
        """Record how long a pass over some pieces of work took."""
        self._piece_s = SMOOTHING * seconds / pieces + (1 - SMOOTHING) * (self._piece_s or seconds / pieces)

    def most(self, limit: int) -> int:
        """Return how many pieces a pass may have: ``limit``, or fewer while streams are live, to be done in time."""
        return max(1, min(limit, int(MAX_PASS_S / self._piece_s))) if self._live and self._piece_s else limit

    def _is_impatient(self, request: Waiting[T]) -> bool:
        return not request.may_drop and self._clock.monotonic() - request.since >= PATIENCE_S

    def _longest(self, request: Waiting[T]) -> tuple[int, int]:
        return self._served.get(request.context.camera, 0), request.number

    def _rank(self, request: Waiting[T]) -> tuple[bool, int, int, int, int]:
        camera, event = request.context.priority
        return (not request.context.live, -camera, -event, *self._longest(request))
