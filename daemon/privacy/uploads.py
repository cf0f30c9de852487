"""Uploads that were watched: where they are, and when they were watched."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from alignment.durable import append_line, replacing
from daemon.config.cameras import UPLOADS
from daemon.privacy.places import EXPIRE_LIMIT, Limits, Places, remove_files
from workers.forgetting import Scope

log = structlog.get_logger()
_WRITING = threading.Lock()  # the daemon notes uploads in one thread and forgets them in another


@dataclass(frozen=True, slots=True)
class WatchedUpload:
    """One upload: where it lies now, and from when to when it was watched, Unix seconds.

    ``until`` None: it is being watched, or was when that was interrupted.
    """

    file: str
    since: float
    until: float | None


class UploadRecords:
    """The file ``uploads.jsonl``: one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> list[WatchedUpload]:
        """Return what is noted; damaged lines are said and left out."""
        found: dict[str, WatchedUpload] = {}
        begun: dict[float, str] = {}  # where what began then lay; only one is watched at a time
        with suppress(FileNotFoundError):
            for line in self._path.read_text(encoding="utf-8").splitlines():
                try:
                    upload = WatchedUpload(**json.loads(line))
                    found.pop(begun.pop(upload.since, ""), None)
                    found[upload.file] = upload
                    if upload.until is None:
                        begun[upload.since] = upload.file
                except (ValueError, TypeError) as error:
                    log.error("a watched upload cannot be read", path=str(self._path), error=repr(error))
        return list(found.values())

    def note(self, upload: WatchedUpload) -> None:
        """Add an upload, in place of one at the same place, and of the one that began then. Raise ``OSError``."""
        with _WRITING:
            append_line(self._path, json.dumps(asdict(upload)))

    def drop(self, files: Sequence[str]) -> None:
        """Forget where uploads were; raise ``OSError``."""
        gone = set(files)
        self._change(lambda noted: [u for u in noted if u.file not in gone])

    def _change(self, change: Callable[[list[WatchedUpload]], list[WatchedUpload]]) -> None:
        with _WRITING:
            lines = [json.dumps(asdict(u)) for u in change(self.all())]
            with replacing(self._path, private=True) as part:
                part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


class UploadData:
    """``Store`` of the files in ``uploads.done``; files that were moved away since are their user's."""

    def __init__(self, places: Places) -> None:
        self._records = UploadRecords(places.layout.uploads)

    def event_ids(self, scope: Scope) -> set[str]:
        """Return nothing: other data tells it."""
        return set()

    def items(self, scope: Scope, ids: frozenset[str]) -> list[str]:
        """Return the paths of uploads that were watched in the scope."""
        if scope.camera != UPLOADS:
            return []
        return [u.file for u in self._records.all() if scope.overlaps(u.since, u.until or time.time())]

    def remove(self, items: Sequence[str]) -> None:
        """Remove uploads, and what says where they were."""
        remove_files(items)
        self._records.drop(items)

    def expire(self, limits: Limits) -> int:
        """Remove uploads that were watched too long ago."""
        since = limits.since or 0
        old = [u.file for u in self._records.all() if u.until is not None and u.until < since][:EXPIRE_LIMIT]
        if old:
            self.remove(old)
        return len(old)
