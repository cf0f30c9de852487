"""The index: features and words of all that was seen and heard."""

from collections.abc import Sequence
from pathlib import Path

from daemon.privacy.stores.store import EXPIRE_LIMIT, Limits, Places, remove_files
from workers.events.erasures import Scope
from workers.index.erasing import erase, holds
from workers.index.naming import shard_files, stored


class IndexData:
    """``Store`` of ``index/CAMERA/SHARD``. Of a live camera an interval is removed, of files all that was watched then.

    An item is a shard with the interval: ``PATH SINCE UNTIL``.
    """

    def __init__(self, places: Places) -> None:
        self._folder = places.layout.index

    def event_ids(self, scope: Scope) -> set[str]:
        """Return an empty set: the index names no event."""
        return set()

    def items(self, scope: Scope, ids: frozenset[str]) -> list[str]:
        """Return the shards that hold some of the scope."""
        near = [
            file.path
            for file in shard_files(self._folder / scope.camera)
            if file.since <= scope.until and (file.until is None or file.until >= scope.since)
        ]
        return [f"{path} {scope.since} {scope.until}" for path in near if holds(path, scope.since, scope.until)]

    def remove(self, items: Sequence[str]) -> None:
        """Remove the intervals."""
        for item in items:
            path, since, until = item.rsplit(" ", 2)
            erase(Path(path), float(since), float(until))

    def expire(self, limits: Limits) -> int:
        """Remove shards beyond the retention time, and the oldest if the total size exceeds the limit.

        Open ones stay: they are of the last hour.
        """
        shards = sorted(stored(self._folder), key=lambda s: s[0].until or s[0].since)
        excess = sum(size for _, size in shards) - limits.max_bytes if limits.max_bytes else 0
        gone: list[Path] = []
        for file, size in shards:
            if file.until is not None and (excess > 0 or (limits.since is not None and file.until < limits.since)):
                excess -= size
                gone.append(file.path)
        remove_files(gone[:EXPIRE_LIMIT])
        return len(gone[:EXPIRE_LIMIT])
