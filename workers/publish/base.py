"""The Protocol of every place events go."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from workers.events.event import Caption, Event, Verification
from workers.types import Receipt


@dataclass(frozen=True, slots=True)
class SinkSnapshot:
    """A sink's counters, copied at one moment."""

    connected: bool = True
    published: int = 0
    duplicates: int = 0
    retries: int = 0
    waiting: int = 0  # events that are not published yet
    spool_accepts: bool = True  # False while the event log is full or cannot be written
    spool_bytes: int = 0
    spool_oldest_s: float = 0.0  # age of the oldest event that waits
    log_damaged: int = 0  # rows and files of the event log that could not be read back
    last_error: str | None = None


class StreamSink(Protocol):
    """Takes the events of streams."""

    def publish(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        """Accept events in order; raise ``EventLogError`` where they cannot be kept. Idempotent by (id, revision).

        A receipt says ``duplicate`` also of an event that ``end_open`` has ended: its stream was given up.
        """
        ...

    def end_open(self, camera: str | None = None) -> tuple[Event, ...]:
        """End the live events that a stream which died left open; return their ends. ``camera`` None: of all."""
        ...


class Sink(StreamSink, Protocol):
    """Takes events for good: once ``publish`` returns, they survive a crash of this process."""

    def erase(self, ids: frozenset[str], before_s: float = 0.0) -> int:
        """Forget events that wait or are open, by id or as accepted before a Unix time; return how many revisions.

        Raise ``EventLogError`` or ``OSError`` where that fails.
        """
        ...

    def follow(self, reader: str) -> int:
        """Keep in the event log what a reader has not acknowledged; return up to where it has.

        A reader that is new begins behind the last revision. It reads by ``LogView``. Raise ``EventLogError``.
        """
        ...

    def acknowledge(self, reader: str, up_to: int) -> None:
        """Let go of the revisions up to and including a sequence number, as far as this reader is concerned."""
        ...

    def amend(
        self, event_id: str, verification: Verification | None = None, caption: Caption | None = None
    ) -> Event | None:
        """Add a verdict or a caption to an event, as one more revision of it; return that.

        None: the event is not there. What the last revision says already is not added again. Raise ``EventLogError``.
        """
        ...

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing waits in the event log; return whether that came true in time."""
        ...

    def snapshot(self) -> SinkSnapshot:
        """Return the counters. May be called from any thread."""
        ...

    def close(self) -> None:
        """Stop publishing; what is left waits in the event log for the next start."""
        ...
