"""Container time stamps to stream seconds that never step back, across jumps, wraps and restarts.

Sound and picture share one offset. A time stamp that runs more than ``forward_s`` ahead or ``backward_s`` behind what
its track was expected to say is a discontinuity: a new epoch begins and stream time continues where it was. Packets
of the other track that were muxed just before the jump still carry old time stamps; they keep the old offset.
"""

from collections.abc import Callable
from dataclasses import dataclass

BACKWARD_S = 1.0
FORWARD_S = 10.0  # containers that allow discontinuities (transport streams, playlists, live)
FORWARD_INDEXED_S = 3600.0  # containers with an index (MP4, Matroska): a long still scene is no jump


@dataclass(frozen=True, slots=True)
class Place:
    """Where a packet belongs: stream seconds = its time stamp in seconds + ``offset``."""

    epoch: int
    offset: float


class Timebase:
    """Places packets in time. ``start`` is the stream second of ``origin`` (a time stamp; None: the first one seen).

    ``restart`` maps the stream second where a new epoch would begin to where it does; a live source moves it on to
    the wall clock.
    """

    def __init__(
        self,
        origin: float | None,
        start: float,
        epoch: int = 0,
        forward_s: float = FORWARD_S,
        restart: Callable[[float], float] = lambda t: t,
    ) -> None:
        self._start = start
        self._forward_s = forward_s
        self._restart = restart
        self._now = start
        self._last: dict[str, float] = {}
        self._entered: dict[str, int] = {}
        self._previous: Place | None = None
        self._current = None if origin is None else Place(epoch, start - origin)
        self._first_epoch = epoch

    @property
    def now(self) -> float:
        """Return the latest stream second placed."""
        return self._now

    @property
    def epoch(self) -> int:
        """Return the running epoch."""
        return self._current.epoch if self._current else self._first_epoch

    def advance(self, seconds: float) -> None:
        """Move on without packets, for a reader that fetched its frames another way."""
        self._now += seconds

    def place(self, track: str, stamp: float, duration: float = 0.0) -> Place:
        """Return where a packet of ``track`` with time stamp ``stamp`` (seconds, in decode order) belongs."""
        if self._current is None:
            self._current = Place(self._first_epoch, self._start - stamp)
        place = self._straggler(track, stamp) or self._current
        if place is self._current and not self._expected(track, stamp + place.offset):
            place = self._jump(stamp, duration)
        self._note(track, place, stamp + place.offset + duration)
        return place

    def _straggler(self, track: str, stamp: float) -> Place | None:
        if self._previous is None or self._entered.get(track, -1) >= self.epoch:
            return None
        behind = stamp + self._previous.offset - self._last.get(track, self._now)
        return self._previous if abs(behind) <= BACKWARD_S else None

    def _expected(self, track: str, t: float) -> bool:
        last = self._last.get(track)
        # A track's first packet may lie well before what the others have reached, for muxers interleave loosely.
        earliest = self._now - FORWARD_S if last is None else last - BACKWARD_S
        return earliest <= t <= max(self._now, last or self._now) + self._forward_s

    def _jump(self, stamp: float, duration: float) -> Place:
        self._previous = self._current
        self._current = Place(self.epoch + 1, self._restart(self._now + duration) - stamp)
        return self._current

    def _note(self, track: str, place: Place, end: float) -> None:
        self._last[track] = end
        self._entered[track] = place.epoch
        self._now = max(self._now, end)
