"""Events on their way from the thread that decides to the caller."""

import threading
import time
from collections import deque
from collections.abc import Sequence

import structlog

from workers.events.event import Event
from workers.types import Receipt

MAX_WAITING = 10_000  # revisions

log = structlog.get_logger()


class EventQueue:
    """A ``StreamSink`` in memory that a caller reads. An update that waits is replaced by the next one."""

    def __init__(self) -> None:
        self._waiting: deque[Event] = deque()
        self._open: dict[str, Event] = {}
        self._interrupted: set[str] = set()  # ids of events that a stream left open when it died
        self._changed = threading.Condition()
        self._closed = False

    def publish(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        """Add revisions, except of events that were ended because their stream died."""
        with self._changed:
            gone = [event.id in self._interrupted for event in events]
            for event, late in zip(events, gone, strict=True):
                if not late:
                    self._add(event)
            self._changed.notify_all()
        return tuple(Receipt(e.id, e.revision, duplicate) for e, duplicate in zip(events, gone, strict=True))

    def next(self) -> Event | None:
        """Wait for and return the oldest revision; None once the queue is closed and empty."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            return self._waiting.popleft() if self._waiting else None

    def take(self) -> list[Event]:
        """Return the revisions that wait, without waiting for more."""
        with self._changed:
            taken = list(self._waiting)
            self._waiting.clear()
        return taken

    def end_open(self, camera: str | None = None) -> tuple[Event, ...]:
        """End the events that a stream left open when it died; return their ends."""
        with self._changed:
            ends = [event.interrupted_at(time.time()) for event in self._open.values()]
            for event in ends:
                self._add(event)
                self._interrupted.add(event.id)
            self._changed.notify_all()
        return tuple(ends)

    def close(self) -> None:
        """Make ``next`` return None when the queue is empty."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _add(self, event: Event) -> None:
        if event.type == "end":
            self._open.pop(event.id, None)
        elif event.type == "new" or event.id in self._open:  # not a correction of an ended event
            self._open[event.id] = event
        if event.type == "update":
            for place, other in enumerate(self._waiting):
                if other.id == event.id and other.type == "update":
                    self._waiting[place] = event
                    return
        if len(self._waiting) >= MAX_WAITING:
            lost = self._waiting.popleft()
            log.warning("events are not read, the oldest was dropped", camera=lost.camera, event_name=lost.event)
        self._waiting.append(event)
