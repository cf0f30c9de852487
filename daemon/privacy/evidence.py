"""Pictures of events: erased by what they say inside about their time, else by when they were written."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from daemon.privacy.places import EXPIRE_LIMIT, Limits, Places, files_by_age, remove_files
from workers.evidence import read_stamp
from workers.forgetting import Scope


class EvidenceData:
    """``Store`` of ``evidence/CAMERA/ID.jpg`` and ``ID.explain.png``."""

    def __init__(self, places: Places) -> None:
        self._folder = places.layout.evidence

    def event_ids(self, scope: Scope) -> set[str]:
        """Return the ids of events whose pictures are of the scope."""
        return {_event(path) for path in self._pictures(scope.camera) if _covers(scope, path)}

    def items(self, scope: Scope, ids: frozenset[str]) -> list[str]:
        """Return the paths of these events' pictures."""
        return [str(p) for p in self._pictures(scope.camera) if _event(p) in ids]

    def remove(self, items: Sequence[str]) -> None:
        """Remove pictures."""
        remove_files(items)

    def expire(self, limits: Limits) -> int:
        """Remove old pictures, and the oldest where all together are too large."""
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


def _event(path: Path) -> str:
    return path.name.partition(".")[0]


def _covers(scope: Scope, path: Path) -> bool:
    try:
        written = path.stat().st_mtime
    except FileNotFoundError:
        return False
    if written < scope.since:  # an event's pictures are written last when it ends
        return False
    return scope.overlaps(*(read_stamp(path) or (written, written)))
