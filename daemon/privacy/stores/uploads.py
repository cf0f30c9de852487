"""Processed uploads: their places, and when they were processed."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from alignment.file_io import NAME_BYTES, append_line, replacing, shortened
from daemon.config.sections.cameras import UPLOADS
from daemon.privacy.stores.store import EXPIRE_LIMIT, Limits, Places, remove_files
from workers.events.erasures import Scope

log = structlog.get_logger()
SIDECARS = ("json", "csv", "vtt")  # formats of the results that may lie beside an upload
_WRITING = threading.Lock()  # the daemon notes uploads in one thread and forgets them in another


def sidecar(file: Path, form: str) -> Path:
    """Return where an upload's results in a format lie."""
    ending = f".watchword.{form}"
    return file.with_name(shortened(file.name, NAME_BYTES - len(ending)) + ending)


@dataclass(frozen=True, slots=True)
class WatchedUpload:
    """One upload: its current path, and when its processing started and ended, Unix seconds.

    ``until`` None: it is being watched, or was when that was interrupted.
    """

    file: str
    since: float
    until: float | None


class UploadRecords:
    """The file ``uploads.jsonl``: one JSON object per line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> list[WatchedUpload]:
        """Return all records; damaged lines are logged and skipped."""
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
        """Remove the records of uploads; raise ``OSError``."""
        gone = set(files)
        self._change(lambda noted: [u for u in noted if u.file not in gone])

    def _change(self, change: Callable[[list[WatchedUpload]], list[WatchedUpload]]) -> None:
        with _WRITING:
            lines = [json.dumps(asdict(u)) for u in change(self.all())]
            with replacing(self._path, private=True) as part:
                part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


class UploadData:
    """``Store`` of the files in ``uploads.done``. Files that users moved elsewhere are not included."""

    def __init__(self, places: Places) -> None:
        self._records = UploadRecords(places.layout.uploads)

    def event_ids(self, scope: Scope) -> set[str]:
        """Return an empty set: other kinds contain the ids."""
        return set()

    def items(self, scope: Scope, ids: frozenset[str]) -> list[str]:
        """Return the paths of uploads that were processed in the scope."""
        if scope.camera != UPLOADS:
            return []
        return [u.file for u in self._records.all() if scope.overlaps(u.since, u.until or time.time())]

    def remove(self, items: Sequence[str]) -> None:
        """Remove uploads, the results beside them, and their records."""
        remove_files(items)
        remove_files(sidecar(Path(item), form) for item in items for form in SIDECARS)
        self._records.drop(items)

    def expire(self, limits: Limits) -> int:
        """Remove uploads that are older than the retention time."""
        since = limits.since or 0
        old = [u.file for u in self._records.all() if u.until is not None and u.until < since][:EXPIRE_LIMIT]
        if old:
            self.remove(old)
        return len(old)
