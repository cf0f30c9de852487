"""Events in the event log: those that wait for a reader, those that are open, and those that are kept for queries."""

from collections.abc import Sequence
from contextlib import suppress

from daemon.privacy.stores.store import Limits, Places
from workers.events.erasures import Scope
from workers.publish.log.repair import ASIDE
from workers.publish.log.view import LogView


class LogData:
    """``Store`` of the event log. Any process reads it; only the owner of the log changes it.

    A damaged file that was put aside cannot be searched: it is an item of every scope that began before its last write.
    """

    def __init__(self, places: Places) -> None:
        self._view, self._aside = LogView(places.layout.event_log), places.layout.event_log / ASIDE
        self._erase = places.erase_logged

    def event_ids(self, scope: Scope) -> set[str]:
        """Return the ids of events in the scope."""
        return {record.event.id for record in self._view.all() if scope.covers(record.event)}

    def items(self, scope: Scope, ids: frozenset[str]) -> list[str]:
        """Return the ids of these events, one for each revision."""
        return [record.event.id for record in self._view.all() if record.event.id in ids] + self._aside_of(scope)

    def remove(self, items: Sequence[str]) -> None:
        """Remove events, all of their revisions."""
        self._erase(frozenset(items), 0.0)

    def expire(self, limits: Limits) -> int:
        """Remove events that are older than the retention time, even if no reader has read them."""
        return self._erase(frozenset(), limits.since) if limits.since is not None else 0

    def _aside_of(self, scope: Scope) -> list[str]:
        with suppress(FileNotFoundError):
            if self._aside.stat().st_mtime >= scope.since:
                return [ASIDE]
        return []
