"""Time as a parameter, so that tests of back-off, stalls and budgets never sleep."""

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time, monotonic time and waiting."""

    def wall(self) -> float:
        """Return Unix time in seconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never steps."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class PollTimer:
    """Measures the time between polls of a loop that watches others for stalls.

    If the loop itself was stopped (a paused process, a sleeping machine), at most ``LONGEST_S`` counts.
    """

    LONGEST_S = 2.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = clock.monotonic()

    def passed(self) -> float:
        """Return the seconds since the last call, at most ``LONGEST_S``."""
        before, self._last = self._last, self._clock.monotonic()
        return min(self._last - before, self.LONGEST_S)


class SystemClock:
    """The system clocks."""

    def wall(self) -> float:
        """Return Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds on a clock that never steps."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class MonotonicWallClock:
    """Unix time that does not step when the system clock is set: read once, then advanced by the monotonic clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.set()

    def __call__(self) -> float:
        """Return Unix time in seconds."""
        return self._clock.monotonic() + self._offset

    def ahead_s(self) -> float:
        """Return how far this clock is ahead of the system clock, seconds."""
        return self() - self._clock.wall()

    def set(self) -> None:
        """Set this clock to the system clock."""
        self._offset = self._clock.wall() - self._clock.monotonic()
