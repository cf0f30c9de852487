"""Images of events: selected by the time in their metadata, otherwise by the time of their file."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from daemon.privacy.store import EXPIRE_LIMIT, Limits, Places, files_by_age, remove_files
from workers.events.erasures import Scope
from workers.events.evidence import pictured_event, read_stamp


class EvidenceData:
    """``Store`` of ``evidence/CAMERA/ID.jpg`` and ``ID.explain.png``, for files ``NAME.ID.jpg``."""

    def __init__(self, places: Places) -> None:
        self._folder = places.layout.evidence

    def event_ids(self, scope: Scope) -> set[str]:
        """Return the ids of events whose images are in the scope."""
        return {pictured_event(path) for path in self._pictures(scope.camera) if _covers(scope, path)}

    def items(self, scope: Scope, ids: frozenset[str]) -> list[str]:
        """Return the paths of the images of these events."""
        return [str(p) for p in self._pictures(scope.camera) if pictured_event(p) in ids]

    def remove(self, items: Sequence[str]) -> None:
        """Remove images."""
        remove_files(items)

    def expire(self, limits: Limits) -> int:
        """Remove images beyond the retention time, and the oldest images if the total size exceeds the limit."""
        files = files_by_age(self._pictures("*"))
        excess = sum(size for _, size, _ in files) - (limits.max_bytes or 0) if limits.max_bytes else 0
        gone = []
        for written, size, path in files[:EXPIRE_LIMIT]:
            if excess <= 0 and (limits.since is None or written >= limits.since):
                break
            excess -= size
            gone.append(path)
        remove_files(gone)
        return len(gone)

    def _pictures(self, camera: str) -> Iterator[Path]:
        return self._folder.glob(f"{camera}/[!.]*")


def _covers(scope: Scope, path: Path) -> bool:
    try:
        written = path.stat().st_mtime
    except FileNotFoundError:
        return False
    if written < scope.since:  # an event's pictures are written last when it ends
        return False
    return scope.overlaps(*(read_stamp(path) or (written, written)))
