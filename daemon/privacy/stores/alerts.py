"""Alerts: what waits to be sent, what was sent, and what was suppressed, with the events that they are about."""

from collections.abc import Sequence

from daemon.alerts.store.erasing import AlertEraser
from daemon.privacy.stores.store import Limits, Places
from workers.events.erasures import Scope


class AlertData:
    """``Store`` of the outbox. Messages that were delivered are with their targets, out of reach."""

    def __init__(self, places: Places) -> None:
        self._eraser = AlertEraser(places.layout.alerts)

    def event_ids(self, scope: Scope) -> set[str]:
        """Return the ids of events in the scope."""
        return {event.id for event in self._eraser.events() if scope.covers(event)}

    def items(self, scope: Scope, ids: frozenset[str]) -> list[str]:
        """Return the ids of these events, as far as there are alerts about them."""
        return self._eraser.known(ids)

    def remove(self, items: Sequence[str]) -> None:
        """Remove the alerts about events, of which nothing is sent any more."""
        self._eraser.erase(items)

    def expire(self, limits: Limits) -> int:
        """Remove alerts that are older than the retention time, the undelivered ones as well."""
        return self._eraser.expire(limits.since) if limits.since is not None else 0
