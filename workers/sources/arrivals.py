"""When packets arrive against what their time stamps say: how late a live stream runs, and how its clock drifts.

A camera's clock differs from ours by up to some hundred millionths: many seconds a day. The network only ever adds
delay, so the least delay of a minute tells drift from jitter (the clock filter of NTP takes the least delay as well,
RFC 5905, section 10). Stream time is moved after it by at most a thousandth of what passes: it never steps.
"""

from math import inf

WINDOW_S = 60.0
RATE = 0.001
SETTLING_S = 10.0  # what was buffered while the stream was opened and probed has no arrival of its own
GAP_S = 2.0  # later than this behind the latest of the last minutes is a gap
EARLY_S = 1.0  # earlier than this before the earliest of the last minutes, no packet comes


class Arrivals:
    """The delays of one connection: Unix time of arrival less stream seconds, the corrections made so far left out."""

    def __init__(self) -> None:
        self._begun: float | None = None
        self._until = inf  # of the running window, Unix time
        self._least = inf  # of the running window
        self._least_before = -inf  # of the window before
        self._most = -inf
        self._most_before = -inf  # of the window before
        self._baseline: float | None = None  # least of the first window
        self._target = self._applied = 0.0
        self._reached = -inf

    def note(self, t: float, now: float) -> float:
        """Take a packet placed at ``t`` that arrived at ``now``; return by how much to move stream time."""
        if self._begun is None:
            self._begun, self._until = now, now + SETTLING_S
        if now >= self._until:
            self._turn(now)
        delay = now - t + self._applied
        self._least, self._most = min(self._least, delay), max(self._most, delay)
        passed, self._reached = max(0.0, t - self._reached), max(t, self._reached)
        most = RATE * min(passed, WINDOW_S)
        move = min(max(self._target - self._applied, -most), most)
        self._applied += move
        return move

    def is_gap(self, t: float, now: float) -> bool:
        """Tell whether a packet arriving ``now`` is too late for ``t`` to be its place; the first one never is."""
        return self._begun is not None and now - t + self._applied > max(self._most, self._most_before) + GAP_S

    def is_early(self, t: float, now: float) -> bool:
        """Tell whether a packet placed at ``t`` would have come before it was recorded: its time stamp is wrong."""
        return now - t + self._applied < min(self._least, self._least_before) - EARLY_S

    def due(self, now: float) -> float:
        """Return the stream second of a packet that comes ``now``, as late as they come."""
        return now + self._applied - max(self._most, self._most_before)

    def _turn(self, now: float) -> None:
        """Judge a window and begin the next; the first one only waits for what was buffered."""
        assert self._begun is not None
        if self._until - self._begun > SETTLING_S:
            if self._baseline is None:
                self._baseline = self._least
            self._target = self._least - self._baseline
            self._most_before = self._most
        self._least_before = self._least
        self._until = now + WINDOW_S
        self._least, self._most = inf, -inf
