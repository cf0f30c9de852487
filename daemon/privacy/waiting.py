"""Events in the spool, published or not, and open events: what waits for Redis."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from daemon.privacy.places import Limits, Places
from workers.forgetting import Scope
from workers.publish.open_events import read_open
from workers.publish.records import scan
from workers.types import Event


class WaitingData:
    """``Store`` of the spool's folder; read here, changed only by who owns it."""

    def __init__(self, places: Places) -> None:
        self._folder, self._erase = places.layout.spool, places.erase_waiting

    def event_ids(self, scope: Scope) -> set[str]:
        """Return the ids of events in the scope."""
        return {event.id for event in self._events() if scope.covers(event)}

    def items(self, scope: Scope, ids: frozenset[str]) -> list[str]:
        """Return the ids of these events, once for each revision."""
        return [event.id for event in self._events() if event.id in ids]

    def remove(self, items: Sequence[str]) -> None:
        """Remove events, all of their revisions."""
        self._erase(frozenset(items), 0.0)

    def expire(self, limits: Limits) -> int:
        """Remove what was accepted too long ago; what is published but still in a segment as well."""
        return self._erase(frozenset(), limits.since) if limits.since is not None else 0

    def _events(self) -> Iterator[Event]:
        for segment in sorted(self._folder.glob("*.seg")):
            with suppress(FileNotFoundError), segment.open("rb") as file:
                yield from (record.event for _, _, record in scan(file) if record)
        yield from read_open(self._folder / "open.json")
