"""Container time stamps to stream seconds that never step back, across jumps, wraps and restarts.

Sound and picture share one offset. A time stamp that runs more than ``forward_s`` ahead or ``backward_s`` behind what
its track was expected to say is a discontinuity, and stream time continues where it was. Packets of the other track
that were muxed just before the jump still carry old time stamps; they keep the old offset.

In a file a discontinuity is a cut between recordings: a new epoch begins. In a live stream the time of arrival tells
whether the camera only set its clock or anything is missing: an epoch ends only with a gap.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from workers.sources.arrivals import Arrivals

BACKWARD_S = 1.0
FORWARD_S = 10.0  # containers that allow discontinuities (transport streams, playlists, live)
REPLAY_S = 30.0  # how far back the segments of a playlist reach that were read before a connection broke
SAME_S = 0.001  # time stamps less apart are the same one
FORWARD_INDEXED_S = 3600.0  # containers with an index (MP4, Matroska): a long still scene is no jump


@dataclass(frozen=True, slots=True)
class Place:
    """Where a packet belongs: stream seconds = its time stamp in seconds + ``offset``. ``part`` counts the jumps."""

    epoch: int
    offset: float
    part: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What an earlier connection told: its ``offset``, and the stream second ``until`` of its latest time stamp."""

    offset: float
    until: float


class Timebase:
    """Places packets in time. ``start`` is the stream second of ``origin`` (a time stamp; None: the first one seen).

    ``wall`` (live streams) returns Unix time, without steps; stream time then follows it, see ``Arrivals``. There,
    what ``told`` says was read before keeps its place, as long as nothing else comes, and moves nothing. The first new
    time stamp goes on from there if that is near the time; else the stream goes on where the time is.
    """

    def __init__(
        self,
        origin: float | None,
        start: float,
        epoch: int = 0,
        forward_s: float = FORWARD_S,
        wall: Callable[[], float] | None = None,
        told: Told | None = None,
    ) -> None:
        self._start = start
        self._forward_s = forward_s
        self._wall, self._earlier = wall, told
        self._arrivals = Arrivals()
        self._now = self._latest = start
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

    def arrival_s(self) -> float:
        """Return Unix time, without steps; for live streams only."""
        assert self._wall is not None
        return self._wall()

    @property
    def told(self) -> Told | None:
        """Return what was placed so far, for the next connection; None before the first packet that is new."""
        return Told(self._current.offset, self._latest) if self._current else None

    def advance(self, seconds: float) -> None:
        """Move on without packets, for a reader that fetched its frames another way."""
        self._now += seconds

    def restart(self, t: float) -> None:
        """Let a new epoch begin at ``t``, which may be earlier, with whatever comes next."""
        self._first_epoch, self._start, self._now = self.epoch + 1, t, t
        self._current = self._previous = self._earlier = None
        self._arrivals = Arrivals()
        self._last.clear()
        self._entered.clear()

    def place(self, track: str, stamp: float, duration: float = 0.0) -> Place:
        """Return where a packet of ``track`` with time stamp ``stamp`` (seconds, in decode order) belongs."""
        if self._current is None and self._is_told(stamp):
            assert self._earlier is not None
            return Place(self._first_epoch, self._earlier.offset)
        first = self._current is None
        current = self._current = self._current or self._begin(stamp)
        place = self._straggler(track, stamp) or current
        if place is current and not (first or self._expected(track, stamp + place.offset)):
            place = self._jump(track, stamp, duration)
        if place is self._current and self._wall is not None:
            move = self._arrivals.note(stamp + place.offset, self._wall())
            place = self._current = replace(place, offset=place.offset + move)
        self._note(track, place, stamp + place.offset, duration)
        return place

    def _is_told(self, stamp: float) -> bool:
        """Tell whether an earlier connection read this: a playlist gives its newest segment to whoever comes."""
        told = self._earlier
        return told is not None and -REPLAY_S <= stamp + told.offset - told.until <= SAME_S

    def _begin(self, stamp: float) -> Place:
        offset = self._start - stamp
        if self._earlier is not None:
            offset = max(self._start, self.arrival_s()) - stamp  # it may have been waited for
            if -REPLAY_S <= self._earlier.offset - offset <= self._forward_s:
                offset = self._earlier.offset
        self._now = self._latest = stamp + offset
        return Place(self._first_epoch, offset)

    def _straggler(self, track: str, stamp: float) -> Place | None:
        assert self._current is not None
        if self._previous is None or self._entered.get(track, -1) >= self._current.part:
            return None
        behind = stamp + self._previous.offset - self._last.get(track, self._now)
        return self._previous if abs(behind) <= BACKWARD_S else None

    def _expected(self, track: str, t: float) -> bool:
        if self._wall is not None and self._arrivals.is_early(t, self._wall()):
            return False
        last = self._last.get(track)
        # A track's first packet may lie well before what the others have reached, for muxers interleave loosely.
        earliest = self._now - FORWARD_S if last is None else last - BACKWARD_S
        return earliest <= t <= max(self._now, last or self._now) + self._forward_s

    def _jump(self, track: str, stamp: float, duration: float) -> Place:
        assert self._current is not None
        self._previous, part = self._current, self._current.part + 1
        epoch, t = self.epoch + 1, self._now + duration
        if self._wall is not None:
            now, follows = self._wall(), self._last.get(track, self._now)
            if self._arrivals.is_gap(follows, now):
                t = max(t, self._arrivals.due(now))
            else:
                epoch, t = self.epoch, follows
        self._current = Place(epoch, t - stamp, part)
        return self._current

    def _note(self, track: str, place: Place, t: float, duration: float) -> None:
        self._last[track] = t + duration
        self._entered[track] = place.part
        self._latest, self._now = max(self._latest, t), max(self._now, t + duration)
