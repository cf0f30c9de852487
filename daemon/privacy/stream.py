"""Events in Redis."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from daemon.privacy.places import Limits, Places
from workers.forgetting import Scope
from workers.publish.erasing import StreamEraser
from workers.publish.reader import Entry, EventReader, Wanted


class StreamData:
    """``Store`` of the stream's entries."""

    def __init__(self, places: Places) -> None:
        self._settings, self._embedded = places.redis, places.embedded

    def event_ids(self, scope: Scope) -> set[str]:
        """Return the ids of events in the scope."""
        return {e.event.id for e in self._entries(scope.camera) if scope.covers(e.event)}

    def items(self, scope: Scope, ids: frozenset[str]) -> list[str]:
        """Return the entries, by their Redis ids, of all revisions of these events."""
        return [e.entry for e in self._entries(scope.camera) if e.event.id in ids]

    def remove(self, items: Sequence[str]) -> None:
        """Remove entries; the embedded server then writes its file anew, without them."""
        with self._eraser() as eraser:
            eraser.delete(items)
            if self._embedded:
                eraser.compact()

    def expire(self, limits: Limits) -> int:
        """Remove entries that were published too long ago."""
        if limits.since is None or self._settings is None:
            return 0
        with self._eraser() as eraser:
            return eraser.trim(limits.since)

    @contextmanager
    def _eraser(self) -> Iterator[StreamEraser]:
        assert self._settings is not None
        eraser = StreamEraser(self._settings)
        try:
            yield eraser
        finally:
            eraser.close()

    def _entries(self, camera: str) -> Iterator[Entry]:
        if self._settings is None:
            return
        reader = EventReader(self._settings)
        try:
            yield from reader.newest_first(Wanted(camera))
        finally:
            reader.close()
