"""Whose turn it is at a service that all streams share, and what gives way when there is too much work.

Live streams first: the higher camera priority, among equals the camera with the more important event, among those the
one that has waited longest since it was served. Files and texts may not be dropped, so they wait; of those that have
waited for ``PATIENCE_S`` one is preferred to all others, once in as long. What may be dropped is, once others have been
taken before it for ``Turn.late_s``: by then its camera has a fresher one. Time in which the service stands still does
not count, for nobody was preferred.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from workers.clock import Clock
from workers.sources.url import is_live
from workers.types import CameraSpec, EventSpec

LATE_S = 2.0  # at least; and a camera's time from frame to frame
PATIENCE_S = 1.0
SMOOTHING = 0.3  # weight of the latest pass in what a piece of work takes
MAX_PASS_S = 0.025  # of a model where streams are live: the next in line cannot start before it is over

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Turn:
    """On whose behalf a stream asks. ``priority``: of the camera, and of its most important event."""

    camera: str = ""
    priority: tuple[int, int] = (5, 5)
    live: bool = False
    late_s: float = LATE_S


ANYONE = Turn()  # files, tools


def turn_of(camera: CameraSpec, events: Sequence[EventSpec]) -> Turn:
    """Return the turn of a camera's stream."""
    most = max((e.priority for e in events), default=0)
    return Turn(camera.name, (camera.priority, most), is_live(camera.url), max(LATE_S, camera.hop_s))


@dataclass(slots=True, eq=False)
class Waiting(Generic[T]):
    """A request in the queue. ``passed_at``: when another was first taken before it. Monotonic seconds."""

    item: T
    turn: Turn
    may_drop: bool
    number: int
    since: float
    passed_at: float | None = None


class TurnQueue(Generic[T]):
    """The waiting requests of one service. Not thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: list[Waiting[T]] = []
        self._arrived = self._turns = 0
        self._served: dict[str, int] = {}  # camera -> number of its latest turn
        self._favoured_at = float("-inf")  # when one that had lost its patience was served last
        self._live = False
        self._piece_s = 0.0  # what one piece of work took lately

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: T, turn: Turn, may_drop: bool) -> None:
        """Let a request wait."""
        self._live |= turn.live
        self._arrived += 1
        self._waiting.append(Waiting(item, turn, may_drop, self._arrived, self._clock.monotonic()))

    def next(self) -> Waiting[T] | None:
        """Return whose turn it is, without taking it."""
        if self._clock.monotonic() - self._favoured_at >= PATIENCE_S:
            impatient = [w for w in self._waiting if self._is_impatient(w)]
            if impatient:
                return min(impatient, key=self._longest)
        return min(self._waiting, key=self._rank, default=None)

    def serve(self, request: Waiting[T], done: bool = True) -> None:
        """Note that a request has its turn; unless ``done`` its rest goes on waiting."""
        self._turns += 1
        self._served[request.turn.camera] = self._turns
        now = self._clock.monotonic()
        if self._is_impatient(request):
            self._favoured_at = now
        request.since = now
        if done:
            self._waiting.remove(request)

    def shed(self) -> list[T]:
        """Note that all who wait were passed over; take out and return those for whom it is too late."""
        now, late = self._clock.monotonic(), []
        for request in self._waiting:
            if request.passed_at is None:
                request.passed_at = now
            elif request.may_drop and now - request.passed_at >= request.turn.late_s:
                late.append(request)
        self._waiting = [w for w in self._waiting if w not in late]
        return [w.item for w in late]

    def took(self, pieces: int, seconds: float) -> None:
        """Note how long a pass over some pieces took."""
        self._piece_s = SMOOTHING * seconds / pieces + (1 - SMOOTHING) * (self._piece_s or seconds / pieces)

    def most(self, limit: int) -> int:
        """Return how many pieces a pass may have: ``limit``, or where streams are live what is done in time."""
        return max(1, min(limit, int(MAX_PASS_S / self._piece_s))) if self._live and self._piece_s else limit

    def _is_impatient(self, request: Waiting[T]) -> bool:
        return not request.may_drop and self._clock.monotonic() - request.since >= PATIENCE_S

    def _longest(self, request: Waiting[T]) -> tuple[int, int]:
        return self._served.get(request.turn.camera, 0), request.number

    def _rank(self, request: Waiting[T]) -> tuple[bool, int, int, int, int]:
        camera, event = request.turn.priority
        return (not request.turn.live, -camera, -event, *self._longest(request))
