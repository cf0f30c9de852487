"""A folder of uploads: each file that has arrived whole becomes one stream, then moves to the done folder.

Links are left alone: who may put files there need not be allowed to see what the daemon can read.
"""

import os
import shutil
import time
from dataclasses import dataclass, replace
from os.path import splitext
from pathlib import Path

import structlog

from daemon.config.cameras import UPLOADS as CAMERA
from daemon.exports import make_writable
from daemon.media_files import VIDEO_SUFFIXES
from daemon.privacy.uploads import UploadRecords, WatchedUpload
from daemon.supervisor import Supervisor, Watched
from workers.redaction import RedactedUrl
from workers.types import CameraSpec, EventSpec

ATTEMPTS = 3  # of a file that ends its stream's process, or makes it stand still, before it is set aside
SETTLE_STEPS = 2  # looks during which size and time stay the same before a file counts as whole

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Arrival:
    stamp: tuple[int, int]  # size, modification time in ns
    steps: int = 0  # looks since the stamp last changed


class UploadFolder:
    """Hands files to the supervisor, one at a time, in order of their names. Call ``step`` as often as its."""

    def __init__(
        self,
        folder: Path,
        done: Path,
        events: tuple[EventSpec, ...],
        records: UploadRecords,
        blur_faces: bool = False,
    ) -> None:
        self._records, self._started = records, 0.0
        self._folder, self._done, self._events, self._blur_faces = folder, done, events, blur_faces
        self._waiting: dict[str, _Arrival] = {}  # by name: ten thousand paths would take a second to sort
        self._current: Path | None = None
        self._left: set[str] = set()  # tagged, but they could not be moved away
        self._failed, self._first_failure = 0, ""
        for place, key in ((folder, "folder"), (done, "done")):
            make_writable(place, f"set uploads.{key} to a folder that this user may write to")

    @property
    def idle(self) -> bool:
        """Whether no file is waiting or being tagged."""
        return self._current is None and not self._waiting

    @property
    def failed(self) -> dict[str, str]:
        """Return, under the name that all uploads share, how many could not be read, and why the first could not."""
        return {CAMERA: f"{self._failed} file(s), first {self._first_failure}"} if self._failed else {}

    def step(self, supervisor: Supervisor) -> None:
        """Look at the folder: move a finished file away, start the next one that is whole."""
        running = next((w for w in supervisor.watched if w.camera.name == CAMERA), None)
        if running is not None and (running.done or (running.handle is None and self._is_gone())):
            self._finish(running)
            supervisor.forget(CAMERA)
        whole = self._next_whole()
        if self._current is None or whole is None:  # else nothing is gained by looking, and many files take a while
            self._look()
            whole = self._next_whole()
        if self._current is None and whole is not None:
            self._current = self._folder / whole
            del self._waiting[whole]
            self._started = time.time()
            log.info("tagging upload", file=whole, waiting=len(self._waiting))
            events = tuple(e.name for e in self._events)
            upload = CameraSpec(CAMERA, RedactedUrl(str(self._current)), events=events, blur_faces=self._blur_faces)
            supervisor.watch(upload, self._events, attempts=ATTEMPTS)

    def _is_gone(self) -> bool:
        """Tell whether somebody took the current file away: no retry will find it, and others wait."""
        return self._current is not None and not self._current.exists()

    def _next_whole(self) -> str | None:
        return min((name for name, a in self._waiting.items() if a.steps >= SETTLE_STEPS), default=None)

    def _look(self) -> None:
        """Note what lies in the folder, and for how long it has not changed. Links could point at any file."""
        apart = self._left | ({self._current.name} if self._current else set())
        try:
            with os.scandir(self._folder) as entries:
                videos = [e for e in entries if splitext(e.name)[1].lower() in VIDEO_SUFFIXES and e.name not in apart]
        except OSError as error:  # the folder has just been taken away: the next look tells
            log.debug("uploads cannot be looked at", folder=str(self._folder), error=str(error))
            return
        seen = ((entry.name, self._arrival(entry)) for entry in videos)
        self._waiting = {name: arrival for name, arrival in seen if arrival is not None}

    def _arrival(self, entry: os.DirEntry[str]) -> _Arrival | None:
        try:
            if not entry.is_file(follow_symlinks=False):
                return None
            status = entry.stat(follow_symlinks=False)
        except OSError:  # it has just been taken away
            return None
        stamp, known = (status.st_size, status.st_mtime_ns), self._waiting.get(entry.name)
        return replace(known, steps=known.steps + 1) if known and known.stamp == stamp else _Arrival(stamp)

    def _finish(self, upload: Watched) -> None:
        """Move the file to ``done``, or to ``done/failed``; never over another file, and tag none a second time."""
        path, failed = self._current, upload.snapshot.state == "failed"
        assert path is not None
        if failed:
            self._failed += 1
            self._first_failure = self._first_failure or f"{path.name}: {upload.snapshot.error}"
        folder = self._done / "failed" if failed else self._done
        self._current = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if failed and folder.is_symlink():
                raise NotADirectoryError(f"{folder} is a link")
            target, number = folder / path.name, 0
            while os.path.lexists(target):
                number += 1
                target = folder / f"{path.stem}-{number}{path.suffix}"
            # noted first: after a crash a note too many does no harm, a file without a note would never be forgotten
            self._records.note(WatchedUpload(str(target.absolute()), self._started, time.time()))
            try:
                shutil.move(path, target)  # also onto another disk
            except OSError:
                self._records.drop([str(target.absolute())])
                raise
        except OSError as error:
            if path.exists():
                self._left.add(path.name)
            log.error("upload cannot be moved away", file=path.name, folder=str(folder), error=str(error))
            return
        log.info("upload done", file=path.name, moved_to=str(target), failed=failed)
