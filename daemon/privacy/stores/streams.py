"""Events in Redis."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from daemon.privacy.stores.store import Limits, Places
from workers.events.erasures import Scope
from workers.events.event import Event
from workers.publish.redis.client import RedisSettings
from workers.publish.redis.eraser import StreamEraser
from workers.publish.redis.reader import EventFilter, EventReader

REWRITE_S, SHARE = 86_400.0, 10  # what is past its retention leaves the embedded server's file a day later, or a tenth


class StreamData:
    """``Store`` of the entries of all streams. An item is the number of its stream and its Redis id."""

    def __init__(self, places: Places) -> None:
        in_use = [(places.redis, places.embedded)] if places.redis else []
        self._streams = [*in_use, *((settings, True) for settings in places.former)]  # whether the server is ours
        self._files = places.layout.redis_events

    def event_ids(self, scope: Scope) -> set[str]:
        """Return the ids of events in the scope."""
        return {event.id for _, event in self._entries() if scope.covers(event)}

    def items(self, scope: Scope, ids: frozenset[str]) -> list[str]:
        """Return the entries of all revisions of these events."""
        return [item for item, event in self._entries() if event.id in ids]

    def remove(self, items: Sequence[str]) -> None:
        """Remove entries; the embedded server then rewrites its file without them."""
        for number, (settings, ours) in enumerate(self._streams):
            entries = [entry for n, entry in map(str.split, items) if int(n) == number]
            if entries:
                with _eraser(settings) as eraser:
                    eraser.delete(entries)
                    if ours:
                        eraser.compact()

    def expire(self, limits: Limits) -> int:
        """Remove entries that are older than the retention time; on the embedded server without a limit per call."""
        if limits.since is None:
            return 0
        gone = 0
        for settings, ours in self._streams:
            with _eraser(settings) as eraser:
                while count := eraser.trim(limits.since):
                    gone += count
                    if not ours:
                        break
                if ours and self._is_due(time.time() - limits.since):
                    eraser.compact()
        return gone

    def _is_due(self, keep_s: float) -> bool:
        """Return whether the embedded server must rewrite its file, which still contains removed entries."""
        written = max((p.stat().st_mtime for p in self._files.glob("*.base.*")), default=0.0)
        return time.time() - written > min(REWRITE_S, keep_s / SHARE)

    def _entries(self) -> Iterator[tuple[str, Event]]:
        """Yield all entries: an event that is made of those of other cameras tells about them."""
        for number, (settings, _) in enumerate(self._streams):
            reader = EventReader(settings)
            try:
                for found in reader.newest_first(EventFilter()):
                    yield f"{number} {found.entry}", found.event
            finally:
                reader.close()


@contextmanager
def _eraser(settings: RedisSettings) -> Iterator[StreamEraser]:
    eraser = StreamEraser(settings)
    try:
        yield eraser
    finally:
        eraser.close()
