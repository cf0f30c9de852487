"""Clocks that a test moves or speeds up, and waiting for a condition in real time."""

import time
from collections.abc import Callable
from dataclasses import dataclass


class FakeClock:
    """Wall time starts at one billion seconds; ``sleep`` moves both clocks and returns at once."""

    def __init__(self) -> None:
        self.now = 1000.0

    def wall(self) -> float:
        return 1e9 + self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class SettableClock(FakeClock):
    """A clock of ours that can be set, as a machine's is; ``set_by`` is by how much it was."""

    now: float = 1000.05
    set_by: float = 0.0

    def wall(self) -> float:
        return super().wall() + self.set_by


class FastClock:
    """Time that passes ``speed`` times as fast."""

    def __init__(self, speed: float) -> None:
        self._speed, self._began, self._wall = speed, time.monotonic(), time.time()

    def wall(self) -> float:
        return self._wall + self.monotonic()

    def monotonic(self) -> float:
        return (time.monotonic() - self._began) * self._speed

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self._speed)


def wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.01)
