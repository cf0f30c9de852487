"""Learned false-alert rates of cameras."""

from collections.abc import Sequence

from daemon.privacy.stores.store import EXPIRE_LIMIT, Limits, Places, files_by_age, remove_files
from workers.events.erasures import Scope


class BudgetData:
    """``Store`` of ``budgets/CAMERA.json``: means over hours, from which no time range can be removed."""

    def __init__(self, places: Places) -> None:
        self._folder = places.layout.budgets

    def event_ids(self, scope: Scope) -> set[str]:
        """Return an empty set: the data names no event."""
        return set()

    def items(self, scope: Scope, ids: frozenset[str]) -> list[str]:
        """Return nothing."""
        return []

    def remove(self, items: Sequence[str]) -> None:
        """Remove files."""
        remove_files(items)

    def expire(self, limits: Limits) -> int:
        """Remove files that were not updated within the retention time: their cameras no longer exist."""
        old = [p for written, _, p in files_by_age(self._folder.glob("*.json")) if written < (limits.since or 0)]
        remove_files(old[:EXPIRE_LIMIT])
        return len(old[:EXPIRE_LIMIT])
