"""Events kept in memory, for tests that run a stream by itself."""

from collections.abc import Sequence
from dataclasses import replace
from threading import Lock

from workers.publish.base import SinkSnapshot
from workers.types import Event, Receipt


class MemorySink:
    """A ``Sink`` that keeps events in order, each (id, revision) once."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, int], Event] = {}
        self._mutex = Lock()
        self._counts = SinkSnapshot()

    @property
    def events(self) -> tuple[Event, ...]:
        """Return all revisions, in the order in which they came."""
        with self._mutex:
            return tuple(self._events.values())

    def publish(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        """Keep events; ``entry`` counts from ``1-0``."""
        with self._mutex:
            return tuple(self._keep(event) for event in events)

    def end_open(self, camera: str | None = None) -> tuple[Event, ...]:
        """Return nothing: what is kept here dies with its stream."""
        return ()

    def erase(self, ids: frozenset[str], before_s: float = 0.0) -> int:
        """Forget events by id."""
        with self._mutex:
            gone = [key for key in self._events if key[0] in ids]
            for key in gone:
                del self._events[key]
            return len(gone)

    def flush(self, timeout_s: float) -> bool:
        """Return True: nothing ever waits."""
        return True

    def snapshot(self) -> SinkSnapshot:
        """Return the counters."""
        with self._mutex:
            return self._counts

    def close(self) -> None:
        """Keep everything; there is nothing to stop."""

    def _keep(self, event: Event) -> Receipt:
        key = (event.id, event.revision)
        if key in self._events:
            self._counts = replace(self._counts, duplicates=self._counts.duplicates + 1)
            place = list(self._events).index(key) + 1
            return Receipt(*key, f"{place}-0", duplicate=True)
        self._events[key] = event
        self._counts = replace(self._counts, published=self._counts.published + 1)
        return Receipt(*key, f"{len(self._events)}-0")
