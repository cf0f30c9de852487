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


class Rounds:
    """Time between looks, of someone who looks again and again and judges others by it.

    A gap longer than ``LONGEST_S`` is his own standstill (a stopped process, a machine asleep): only so much counts.
    """

    LONGEST_S = 2.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = clock.monotonic()

    def passed(self) -> float:
        """Return the seconds since the last call that count."""
        before, self._last = self._last, self._clock.monotonic()
        return min(self._last - before, self.LONGEST_S)


class SystemClock:
    """The machine's clocks."""

    def wall(self) -> float:
        """Return Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds on a clock that never steps."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class SteadyWall:
    """Unix time that does not step when the machine's clock is set: read once, then counted on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.set()

    def __call__(self) -> float:
        """Return Unix time in seconds."""
        return self._clock.monotonic() + self._offset

    def ahead_s(self) -> float:
        """Return how far this is ahead of the machine's clock, seconds."""
        return self() - self._clock.wall()

    def set(self) -> None:
        """Take the machine's clock as it is now."""
        self._offset = self._clock.wall() - self._clock.monotonic()
