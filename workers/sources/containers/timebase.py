"""Map container time stamps to stream seconds that never step back, across jumps, wraps and restarts.

Audio and video share one offset. A time stamp more than ``forward_s`` after or ``BACKWARD_S`` before the expected one
is a discontinuity: stream time continues from where it was. Packets of the other track that were muxed just before the
jump still have old time stamps; they keep the old offset.

In a file a discontinuity is a cut between recordings and starts a new segment. In a live stream the arrival time shows
whether the camera only set its clock or data is missing: only a gap ends a segment.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

BACKWARD_S = 1.0
FORWARD_S = 10.0  # containers that allow discontinuities (transport streams, playlists, live)
REPLAY_S = 30.0  # how far back a playlist repeats HLS segments that an earlier connection read
SAME_S = 0.001  # closer time stamps are equal
FORWARD_INDEXED_S = 3600.0  # containers with an index (MP4, Matroska): a long still scene is no jump
WINDOW_S = 60.0  # of arrival delays
RATE = 0.001  # at most, of elapsed time, that stream time follows the drift
SETTLING_S = 10.0  # packets that were buffered while the stream was opened have no arrival time of their own
GAP_S = 2.0  # more delay than the largest of the last minutes plus this is a gap
EARLY_S = 1.0  # less delay than the smallest of the last minutes minus this is impossible


@dataclass(frozen=True, slots=True)
class TimePlacement:
    """Placement of a packet: stream seconds = its time stamp in seconds + ``offset``. ``part`` counts the jumps."""

    segment: int
    offset: float
    part: int = 0


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where an earlier connection ended: its ``offset``, and the stream second ``until`` of its latest time stamp."""

    offset: float
    until: float


class ArrivalDelay:
    """The delays of one connection: Unix time of arrival minus stream seconds, without the corrections so far.

    A camera's clock can differ from ours by some hundred ppm: many seconds a day. The network only adds delay, so the
    minimum delay of a minute separates drift from jitter (NTP's clock filter uses the minimum too, RFC 5905, section
    10). Stream time follows the drift by at most a thousandth of elapsed time: it never steps.
    """

    def __init__(self) -> None:
        self._begun: float | None = None
        self._until = inf  # of the current window, Unix time
        self._least = inf  # of the current window
        self._least_before = -inf  # of the last window
        self._most = -inf
        self._most_before = -inf  # of the last window
        self._baseline: float | None = None  # least of the first window
        self._target = self._applied = 0.0
        self._reached = -inf

    def note(self, t: float, now: float) -> float:
        """Record a packet at stream second ``t`` that arrived at ``now``; return the correction of stream time."""
        if self._begun is None:
            self._begun, self._until = now, now + SETTLING_S
        if now >= self._until:
            self._next_window(now)
        delay = now - t + self._applied
        self._least, self._most = min(self._least, delay), max(self._most, delay)
        passed, self._reached = max(0.0, t - self._reached), max(t, self._reached)
        most = RATE * min(passed, WINDOW_S)
        move = min(max(self._target - self._applied, -most), most)
        self._applied += move
        return move

    def is_gap(self, t: float, now: float) -> bool:
        """Return whether a packet that arrives ``now`` is too late for ``t``; never true for the first one."""
        return self._begun is not None and now - t + self._applied > max(self._most, self._most_before) + GAP_S

    def is_early(self, t: float, now: float) -> bool:
        """Return whether a packet at ``t`` would have arrived before it was recorded: its time stamp is wrong."""
        return now - t + self._applied < min(self._least, self._least_before) - EARLY_S

    def due(self, now: float) -> float:
        """Return the stream second of a packet that arrives ``now`` with the largest delay."""
        return now + self._applied - max(self._most, self._most_before)

    def _next_window(self, now: float) -> None:
        """Evaluate a window and start the next; the first window only waits for buffered packets."""
        assert self._begun is not None
        if self._until - self._begun > SETTLING_S:
            if self._baseline is None:
                self._baseline = self._least
            self._target = self._least - self._baseline
            self._most_before = self._most
        self._least_before = self._least
        self._until = now + WINDOW_S
        self._least, self._most = inf, -inf


class Timebase:
    """Places packets in time. ``start`` is the stream second of ``origin`` (a time stamp; None: the first one seen).

    ``wall`` (live streams) returns Unix time, without steps; stream time then follows it, see ``ArrivalDelay``. Packets
    that an earlier connection read (up to ``resume``) keep their placement. The first new time stamp continues from
    there if that is close to the current time; else the stream continues at the current time.
    """

    def __init__(
        self,
        origin: float | None,
        start: float,
        segment: int = 0,
        forward_s: float = FORWARD_S,
        wall: Callable[[], float] | None = None,
        resume: ResumePoint | None = None,
    ) -> None:
        self._start = start
        self._forward_s = forward_s
        self._wall, self._earlier = wall, resume
        self._arrivals = ArrivalDelay()
        self._now = self._latest = start
        self._last: dict[str, float] = {}
        self._entered: dict[str, int] = {}
        self._previous: TimePlacement | None = None
        self._current = None if origin is None else TimePlacement(segment, start - origin)
        self._first_segment = segment

    @property
    def now(self) -> float:
        """Return the latest stream second placed."""
        return self._now

    @property
    def segment(self) -> int:
        """Return the current segment."""
        return self._current.segment if self._current else self._first_segment

    def arrival_s(self) -> float:
        """Return Unix time, without steps; for live streams only."""
        assert self._wall is not None
        return self._wall()

    @property
    def resume_point(self) -> ResumePoint | None:
        """Return where the next connection resumes; None before the first new packet."""
        return ResumePoint(self._current.offset, self._latest) if self._current else None

    def advance(self, seconds: float) -> None:
        """Advance without packets, for a reader that used random access."""
        self._now += seconds

    def restart(self, t: float) -> None:
        """Start a new segment at ``t``, which may be earlier, with the next packet."""
        self._first_segment, self._start, self._now = self.segment + 1, t, t
        self._current = self._previous = self._earlier = None
        self._arrivals = ArrivalDelay()
        self._last.clear()
        self._entered.clear()

    def place(self, track: str, stamp: float, duration: float = 0.0, reorder_s: float = 0.0) -> TimePlacement:
        """Return the placement of a packet of ``track`` with time stamp ``stamp`` (seconds, in decode order).

        ``reorder_s``: how far a time stamp may step back where the container knows only those of presentation.
        """
        if self._current is None and self._is_repeated(stamp):
            assert self._earlier is not None
            return TimePlacement(self._first_segment, self._earlier.offset)
        first = self._current is None
        current = self._current = self._current or self._begin(stamp)
        place = self._straggler(track, stamp) or current
        if place is current and not (first or self._expected(track, stamp + place.offset, reorder_s)):
            place = self._jump(track, stamp, duration)
        if place is self._current and self._wall is not None:
            move = self._arrivals.note(stamp + place.offset, self._wall())
            place = self._current = replace(place, offset=place.offset + move)
        self._note(track, place, stamp + place.offset, duration)
        return place

    def _is_repeated(self, stamp: float) -> bool:
        """Return whether an earlier connection read this: a playlist sends its newest segment to each connection."""
        earlier = self._earlier
        return earlier is not None and -REPLAY_S <= stamp + earlier.offset - earlier.until <= SAME_S

    def _begin(self, stamp: float) -> TimePlacement:
        offset = self._start - stamp
        if self._earlier is not None:
            offset = max(self._start, self.arrival_s()) - stamp  # the packet may have been waited for
            if -REPLAY_S <= self._earlier.offset - offset <= self._forward_s:
                offset = self._earlier.offset
        self._now = self._latest = stamp + offset
        return TimePlacement(self._first_segment, offset)

    def _straggler(self, track: str, stamp: float) -> TimePlacement | None:
        assert self._current is not None
        if self._previous is None or self._entered.get(track, -1) >= self._current.part:
            return None
        behind = stamp + self._previous.offset - self._last.get(track, self._now)
        return self._previous if abs(behind) <= BACKWARD_S else None

    def _expected(self, track: str, t: float, reorder_s: float) -> bool:
        if self._wall is not None and self._arrivals.is_early(t, self._wall()):
            return False
        last = self._last.get(track)
        # A track's first packet may lie well before the other tracks, because muxers interleave loosely.
        earliest = self._now - self._forward_s if last is None else last - max(BACKWARD_S, reorder_s)
        return earliest <= t <= max(self._now, last or self._now) + self._forward_s

    def _jump(self, track: str, stamp: float, duration: float) -> TimePlacement:
        assert self._current is not None
        self._previous, part = self._current, self._current.part + 1
        segment, t = self.segment + 1, self._now + duration
        if self._wall is not None:
            now, follows = self._wall(), self._last.get(track, self._now)
            if self._arrivals.is_gap(follows, now):
                t = max(t, self._arrivals.due(now))
            else:
                segment, t = self.segment, follows
        self._current = TimePlacement(segment, t - stamp, part)
        return self._current

    def _note(self, track: str, place: TimePlacement, t: float, duration: float) -> None:
        self._last[track] = t + duration
        self._entered[track] = place.part
        self._latest, self._now = max(self._latest, t), max(self._now, t + duration)
