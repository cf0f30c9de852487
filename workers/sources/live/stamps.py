"""Judge by arrival whether the time stamps of a live stream run with time, and replace them if they do not.

A camera that promises 25 frames a second and sends 21 stamps 0.84 s in each second; others run fast, or repeat one
time stamp for ever. The network only adds delay, so the smallest delay (arrival minus time stamp) of some time shows
the clock behind the time stamps. Time stamps whose smallest delay rises or falls steadily are doubted. What the drift
of a clock explains, a thousandth, is left to ``Timebase``.

A queue in the network that fills looks like a slow camera while it does. So within seconds only a change is doubted
that is larger than most queues are, and a doubt ends when the delay is again what it was before it: a queue empties, a
slow clock never catches up. A queue delays sound and pictures alike, a frame rate that is not as promised the pictures
only: what delays both may be larger.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import NamedTuple

import structlog

from workers.sources.counters import Counters

WINDOW_S, PACKETS = 0.6, 6  # of the shortest time that is judged, at least
RARE_S, RARE_PACKETS = 4.0, 4  # the same for a few frames a second
LEVELS = 8  # of times that are judged, each twice as long
LONGEST_S = 300.0  # that are judged together: a thousandth of it, a drift, is less than `DOUBT_S`
FEWEST, BLOCKS = 5, 8  # that are compared
SHORT_S, LONG_S = 3.0, 60.0  # the shortest time that they are compared over; from the long one on queues are emptied
QUEUE_S, DOUBT_S = 1.2, 0.5  # change of the smallest delay over a shorter time, which a queue may explain, and a longer
SHARED_QUEUE_S, SHARED = 4.0, 0.7  # the same of all tracks, each of which changes by at least this share
CLEAR = 0.55  # at least so much of the difference between the largest and the smallest
STEADY = 0.45  # of the mean step, that each of the steps has at least
REFUTED = 0.25  # of the doubted change: a delay that is as near as this to what it was before is no clock's
RETURN = 0.1  # seconds in a second by which times return to time stamps that were doubted wrongly
FASTEST = 2.5  # stamp seconds per second: a server that sends a recording as fast as it can, not a camera
TRUST_S, TRUSTED_S = 0.15, 150.0  # time stamps whose delay changes by less in that time are trusted again
JUMP_S = 1.5  # more than the time that passed: the clock was set, which says nothing about its rate
STILL_S = 3.0  # for so long they may stand still
PROBED_S = 5.0  # FFmpeg reads at most so much to learn about a stream
SLACK_S = 0.2  # doubted time stamps still tell frames apart that arrive together

log = structlog.get_logger(__name__)


class _Least(NamedTuple):
    """The smallest ``delay`` of some time, when it was (Unix time), and the largest."""

    delay: float
    at: float
    most: float


NOTHING = _Least(inf, 0.0, -inf)


class StampJudge:
    """Judges the time stamps of one camera and reports once that they are doubted.

    Doubts last over connections, until the time stamps run with time again.
    """

    def __init__(self, camera: str, counters: Counters) -> None:
        self._camera, self._counters = camera, counters
        self._wall: Callable[[], float] | None = None
        self._began = 0.0
        self._tracks: dict[str, _TrackStamps] = {}
        self._doubted: dict[str, float] = {}
        self._reported = False
        self.waited = False  # whether the next packet was waited for; the others arrived earlier than they were read

    def begin(self, wall: Callable[[], float] | None, began: float) -> None:
        """Start with a connection whose first packet arrived at ``began``, Unix time as of ``wall``; None: trust it."""
        self._wall, self._began, self.waited = wall, began, False
        self._tracks = {}

    def correct(self, track: str, stamp: float) -> float:
        """Return the time of the next packet on the scale of its time stamp: that one, unless it is doubted."""
        if self._wall is None:
            return stamp
        judged = self._tracks.get(track)
        if judged is None:
            judged = _TrackStamps(self._began, self._doubted.get(track), self._tracks)
            self._tracks[track] = judged
        before = judged.rate
        corrected = judged.correct(stamp, self._wall(), self.waited)
        if judged.rate != before:
            self._report()
        return corrected

    def _report(self) -> None:
        self._doubted = self._rates()
        self._counters.doubt_stamps(bool(self._doubted))
        if self._doubted and not self._reported:
            self._reported = True
            rates = {f"{name}_seconds_per_second": round(rate, 3) for name, rate in self._doubted.items()}
            log.warning("time_stamps_doubted", camera=self._camera, **rates, used="time of arrival")

    def _rates(self) -> dict[str, float]:
        return {name: track.rate for name, track in self._tracks.items() if track.rate is not None}


@dataclass(frozen=True, slots=True)
class _Doubt:
    """Why time stamps are doubted since ``at``, Unix time: the smallest delay ``was`` so, and changed by ``change``."""

    at: float
    was: float
    change: float

    def is_refuted(self, windows: Iterable[_Least]) -> bool:
        """Return whether the delay is again what it was. One packet shows that no clock is behind a delay that rose."""
        since = [window.delay - self.was for window in windows if window.at > self.at]
        if self.change > 0:
            return bool(since) and since[-1] <= REFUTED * self.change
        return len(since) >= FEWEST and min(since) >= REFUTED * self.change


class _TrackStamps:
    def __init__(self, began: float, rate: float | None, tracks: Mapping[str, "_TrackStamps"]) -> None:
        self._began, self._tracks = began, tracks  # all of the connection
        self._last: tuple[float, float] | None = None  # time stamp and arrival of the latest packet
        self._x = 0.0  # time stamps without their jumps
        self._since, self._count, self._least = began, 0, NOTHING  # of the current window
        self._levels: list[deque[_Least]] = [deque(maxlen=BLOCKS) for _ in range(LEVELS)]
        self._odd: list[_Least | None] = [None] * LEVELS
        self._moved, self._still = NOTHING, 0  # when the time stamps last went on, and the packets since then
        self._shift = self._home = 0.0  # of trusted time stamps; what it returns to
        self._base: float | None = None  # of doubted ones: time = arrival + base
        self._why: _Doubt | None = None
        self._settled = False  # the time stamps run with time again
        self._t = -inf  # the latest time returned
        self.rate = rate  # of doubted time stamps, seconds in a second

    def correct(self, stamp: float, now: float, waited: bool) -> float:
        step = self._step(stamp, now)
        self._x += step
        doubted, self._settled = self._base is not None, False
        if step > 0:
            self._moved, self._still = _Least(now - self._x, now, 0.0), 0
        self._still += waited
        if self._base is None and self._still >= RARE_PACKETS and now - self._moved.at >= STILL_S:
            self._doubt([self._moved, _Least(now - self._x, now, 0.0)], 0.0, stamp)
        self._note(now, waited, stamp)
        if self._settled and not doubted:  # a longer time does not confirm what a shorter one seemed to show
            self._base = self.rate = None
        if self._base is None:
            most = RETURN * max(step, 0.0)
            self._shift += min(max(self._home - self._shift, -most), most)
            self._t = stamp + self._shift
            return self._t
        latest = now + self._base
        self._t = max(self._t, min(max(self._t + max(step, 0.0), latest - SLACK_S), latest))
        if self._settled:
            self._base, self.rate, self._shift = None, None, self._t - stamp
            self._home = self._home if self._why else self._shift
        return self._t

    def _step(self, stamp: float, now: float) -> float:
        last, self._last = self._last, (stamp, now)
        if last is None:
            self._base = stamp - self._began if self.rate is not None else None
            return now
        step, passed = stamp - last[0], now - last[1]
        return passed if abs(step - passed) > JUMP_S + 1.2 * max(passed, 0.0) else step

    def _note(self, now: float, waited: bool, stamp: float) -> None:
        passed = now - self._since
        if (passed > WINDOW_S and self._count >= PACKETS) or (passed > RARE_S and self._count >= RARE_PACKETS):
            self._push(0, self._least, stamp)
            self._since, self._count, self._least = now, 0, NOTHING
        self._count += waited  # if none is waited for, they arrived before they were read: we are slow, not the camera
        delay = now - self._x
        self._least = _joined(self._least, _Least(delay, now, delay))

    def _push(self, level: int, least: _Least, stamp: float) -> None:
        """Add the smallest delay of a window; two windows make one of the next level."""
        blocks = self._levels[level]
        blocks.append(least)
        if self._base is None:
            self._judge(list(blocks), stamp)
        elif level == 0 and self._why and self._why.is_refuted(blocks):
            self._settled = True
        elif len(blocks) >= FEWEST and _trusted(blocks):
            self._settled, self._why = True, None
        odd, self._odd[level] = self._odd[level], least
        if odd is not None and level + 1 < LEVELS:
            self._odd[level] = None
            self._push(level + 1, _joined(odd, least), stamp)

    def _judge(self, blocks: list[_Least], stamp: float) -> None:
        """Doubt time stamps that run away in the latest of these blocks."""
        for count in range(FEWEST, len(blocks) + 1):
            rate = _running_away(blocks[-count:])
            if rate is not None and self._is_queue(blocks[-count], blocks[-1]):
                continue
            if rate is not None:
                self._doubt(blocks[-count:], rate, stamp)
                return

    def _is_queue(self, first: _Least, last: _Least) -> bool:
        """Return whether all other tracks are as late, or early again, by not more than a queue explains."""
        change = last.delay - first.delay
        others = [track for track in self._tracks.values() if track is not self and track.rate is None]
        if not others or last.at - first.at >= LONG_S or abs(change) >= SHARED_QUEUE_S:
            return False
        return all((t.delay_near(last.at) - t.delay_near(first.at)) / change >= SHARED for t in others)

    def delay_near(self, at: float) -> float:
        """Return the smallest delay of the time nearest to ``at``, Unix time."""
        known = (self._least, *(block for level in self._levels for block in level))
        return min(known, key=lambda block: abs(block.at - at)).delay

    def _doubt(self, blocks: list[_Least], rate: float, stamp: float) -> None:
        """From now on count by arrival, with the delay of before: at the beginning if it was like this since then."""
        self.rate, oldest = rate, blocks[0]
        since_began = oldest.at - self._began
        delay = oldest.delay
        if since_began <= PROBED_S + blocks[1].at - oldest.at:
            delay -= (1 - rate) * since_began
        self._base = stamp + self._shift - self._x - delay
        self._why = _Doubt(blocks[-1].at, oldest.delay, blocks[-1].delay - oldest.delay)


def _running_away(blocks: Sequence[_Least]) -> float | None:
    """Return how fast time stamps run, seconds in a second, if these blocks show clearly that it is not with time."""
    delays = [d.delay for d in blocks]
    change, span = delays[-1] - delays[0], blocks[-1].at - blocks[0].at
    jitter = max(d.most for d in blocks) - min(delays)
    if not SHORT_S <= span <= LONGEST_S or abs(change) < max(QUEUE_S if span < LONG_S else DOUBT_S, CLEAR * jitter):
        return None
    steady = min((b - a) / change for a, b in pairwise(delays)) >= STEADY / (len(blocks) - 1)
    rate = (span - change) / span
    return rate if steady and rate <= FASTEST else None


def _trusted(blocks: Sequence[_Least]) -> bool:
    """Return whether these blocks show that time stamps run with time."""
    delays = [d.delay for d in blocks]
    return blocks[-1].at - blocks[0].at >= TRUSTED_S and max(delays) - min(delays) <= TRUST_S


def _joined(a: _Least, b: _Least) -> _Least:
    return (a if a.delay <= b.delay else b)._replace(most=max(a.most, b.most))
