"""What a reader of the event log has not read yet."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReaderSnapshot:
    """A reader's counters, copied at one moment."""

    waiting: int = 0  # revisions that the reader has not acknowledged
    bytes: int = 0  # of these revisions
    oldest_s: float = 0.0  # age of the oldest of them


@dataclass(frozen=True, slots=True)
class Waiting:
    """One revision that waits for a reader."""

    seq: int
    since: float  # monotonic seconds: an age must not change with the wall clock
    size: int


class Cursor:
    """One reader's place in the log: everything up to ``position`` is acknowledged. Not thread-safe."""

    def __init__(self, position: int) -> None:
        self.position, self.bytes = position, 0
        self._waiting: deque[Waiting] = deque()

    @property
    def waits(self) -> bool:
        """Return whether anything is not acknowledged."""
        return bool(self._waiting)

    def add(self, waiting: Iterable[Waiting]) -> None:
        """Add revisions at the end."""
        for one in waiting:
            self._waiting.append(one)
            self.bytes += one.size

    def advance(self, position: int) -> None:
        """Pass everything up to and including a sequence number."""
        self.position = max(self.position, position)
        while self._waiting and self._waiting[0].seq <= position:
            self.bytes -= self._waiting.popleft().size

    def replace(self, waiting: Iterable[Waiting]) -> None:
        """Set anew what waits."""
        self._waiting.clear()
        self.bytes = 0
        self.add(waiting)

    def snapshot(self, now: float) -> ReaderSnapshot:
        """Return the counters at a monotonic time."""
        age = now - self._waiting[0].since if self._waiting else 0.0
        return ReaderSnapshot(len(self._waiting), self.bytes, age)
