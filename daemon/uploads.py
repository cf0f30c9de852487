"""A folder of uploads: each file that has arrived whole becomes one stream, then moves to the done folder."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from alignment.errors import WatchwordError
from daemon.config.cameras import UPLOADS as CAMERA
from daemon.exports import make_writable
from daemon.inbox import LOOK_S, Inbox
from daemon.privacy.uploads import UploadRecords, WatchedUpload
from daemon.snapshots import UploadsSnapshot
from daemon.supervisor import Supervisor, Watched
from workers.clock import Clock, SystemClock
from workers.forgetting import Scope
from workers.redaction import RedactedUrl
from workers.types import CameraSpec, EventSpec

ATTEMPTS = 3  # of a file that ends its stream's process, or makes it stand still, before it is set aside
QUICK_S = 0.01
WAITED = 0.1  # how much longer an upload may take than its work, because its end is noticed late
HALT_S = 20.0  # how long the upload that is being watched may take to end

log = structlog.get_logger()


class UploadNotEnded(WatchwordError):
    """The upload that is being watched was asked to end, and has not: its model, or the daemon, is very busy."""

    code = "upload_not_ended"
    retryable = True


@dataclass(slots=True)
class _Halt:
    """Another thread's wish that no upload of a scope be watched. ``ended``: when the one that was has ended."""

    scope: Scope
    heeded: threading.Event = field(default_factory=threading.Event)
    ended: float | None = None


class UploadFolder:
    """Hands files to the supervisor, one at a time, in order of their names. Call ``step`` every ``pause_s``."""

    def __init__(
        self,
        folder: Path,
        done: Path,
        events: tuple[EventSpec, ...],
        records: UploadRecords,
        blur_faces: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._records, self._since, self._began = records, 0.0, 0.0
        self._done, self._events, self._blur_faces = done, events, blur_faces
        self._inbox = Inbox(folder, self._clock)
        self._current: Path | None = None
        self._left: set[str] = set()  # tagged, but they could not be moved away
        self._halt: _Halt | None = None
        # whose watching was interrupted, by a crash or by `forget`, or which could not be moved away, and since when
        here = str(folder.absolute())
        self._interrupted = {
            u.file: u.since for u in records.all() if u.until is None or os.path.dirname(u.file) == here
        }
        self._tagged, self._failed, self._first_failure = 0, 0, ""
        for place, key in ((folder, "folder"), (done, "done")):
            make_writable(place, f"set uploads.{key} to a folder that this user may write to")
        for file in [file for file in self._interrupted if not os.path.lexists(file)]:
            del self._interrupted[file]  # another one by that name would be taken for it
            with suppress(OSError):  # a full disk: the next start tries again
                records.drop([file])

    @property
    def idle(self) -> bool:
        """Whether no file is waiting or being tagged."""
        return self._current is None and self._inbox.empty

    @property
    def failed(self) -> dict[str, str]:
        """Return, under the name that all uploads share, how many could not be read, and why the first could not."""
        return {CAMERA: f"{self._failed} file(s), first {self._first_failure}"} if self._failed else {}

    def snapshot(self) -> UploadsSnapshot:
        """Return the counters."""
        return UploadsSnapshot(self._tagged, self._failed, len(self._inbox))

    @property
    def pause_s(self) -> float:
        """How long to wait for the next step, seconds: the shorter, the shorter the current upload has taken."""
        if self._current is None:
            return LOOK_S
        return min(LOOK_S, max(QUICK_S, WAITED * (self._clock.monotonic() - self._began)))

    @contextmanager
    def halted(self, scope: Scope) -> Iterator[float | None]:
        """Watch no upload for the time of the block, where the current one is of the scope; for another thread.

        Yield until when that one was watched, Unix seconds; None: there is none. Raise ``UploadNotEnded``.
        """
        if scope.camera != CAMERA:
            yield None
            return
        self._halt = halt = _Halt(scope)
        try:
            if not halt.heeded.wait(HALT_S):
                raise UploadNotEnded(
                    f"an upload is being watched that has not ended within {HALT_S:.0f} s; nothing was removed",
                    "try again; `queue_depth` and the log tell what it waits for",
                )
            yield halt.ended
        finally:
            if halt.ended is not None:  # until the next line the other thread changes nothing
                self._interrupted = {file: since for file, since in self._interrupted.items() if os.path.lexists(file)}
            self._halt = None

    def step(self, supervisor: Supervisor) -> None:
        """Move a finished file away, start the next one that is whole."""
        supervisor.step(CAMERA)
        running = next((w for w in supervisor.watched if w.camera.name == CAMERA), None)
        if running is not None and (running.done or (running.handle is None and self._is_gone())):
            if running.retired:
                self._set_down()
            else:
                self._finish(running)
            supervisor.forget(CAMERA)
            running = None
        if (halt := self._halt) is not None and self._heed(halt, running, supervisor):
            return
        apart = self._left | ({self._current.name} if self._current else set())
        self._inbox.look(apart, busy=self._current is not None)
        if self._current is None and (path := self._inbox.take()) is not None:
            self._begin(path, supervisor)

    def _heed(self, halt: _Halt, running: Watched | None, supervisor: Supervisor) -> bool:
        """End the current upload where a halt is about it; return whether none may be begun."""
        if halt.heeded.is_set():
            return halt.ended is not None
        if running is None or not halt.scope.overlaps(self._since, self._clock.wall()):
            halt.heeded.set()
            return False
        if not running.retired:
            log.info("watching an upload ends, for it is to be forgotten")
            supervisor.retire(CAMERA)
        return True

    def _set_down(self) -> None:
        """Leave the current file where it lies: to be forgotten, else to be watched anew."""
        assert self._current is not None
        self._interrupted[str(self._current.absolute())] = self._since
        self._current, now = None, self._clock.wall()
        if (halt := self._halt) is not None and halt.scope.overlaps(self._since, now):
            halt.ended = now
            halt.heeded.set()

    def _begin(self, path: Path, supervisor: Supervisor) -> None:
        file = str(path.absolute())
        since = self._interrupted.pop(file, self._clock.wall())
        try:
            self._records.note(WatchedUpload(file, since, None))
        except OSError as error:
            log.error("upload waits, for it cannot be noted", file=path.name, error=str(error))
            return
        self._current, self._since, self._began = path, since, self._clock.monotonic()
        log.info("tagging upload", file=path.name, waiting=len(self._inbox))
        events = tuple(e.name for e in self._events)
        upload = CameraSpec(CAMERA, RedactedUrl(str(path)), events=events, blur_faces=self._blur_faces)
        supervisor.watch(upload, self._events, attempts=ATTEMPTS)
        supervisor.step(CAMERA)

    def _is_gone(self) -> bool:
        """Tell whether somebody took the current file away: no retry will find it, and others wait."""
        return self._current is not None and not self._current.exists()

    def _finish(self, upload: Watched) -> None:
        """Move the file to ``done``, or to ``done/failed``; never over another file, and tag none a second time."""
        path, failed = self._current, upload.snapshot.state == "failed"
        assert path is not None
        if failed:
            self._failed += 1
            self._first_failure = self._first_failure or f"{path.name}: {upload.snapshot.error}"
        else:
            self._tagged += 1
        folder = self._done / "failed" if failed else self._done
        self._current = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if failed and folder.is_symlink():
                raise NotADirectoryError(f"{folder} is a link")
            target = _free_name(folder, path)
            self._move(path, target)
        except OSError as error:
            if path.exists():
                self._left.add(path.name)
            log.error("upload cannot be moved away", file=path.name, folder=str(folder), error=str(error))
            return
        log.info("upload done", file=path.name, moved_to=str(target), failed=failed)

    def _move(self, path: Path, target: Path) -> None:
        """Move a file, also onto another disk, and note where it is; raise ``OSError`` where it stays where it was."""
        moved = WatchedUpload(str(target.absolute()), self._since, self._clock.wall())
        # noted first: after a crash a note too many does no harm, a file without a note would never be forgotten
        self._records.note(moved)
        try:
            shutil.move(path, target)
        except OSError:
            if path.exists():
                self._records.note(replace(moved, file=str(path.absolute())))
            target.unlink(missing_ok=True)  # half of it, where a disk was full
            self._records.drop([moved.file])
            raise


def _free_name(folder: Path, path: Path) -> Path:
    """Return where a file may lie in a folder without taking another one's place."""
    target, number = folder / path.name, 0
    while os.path.lexists(target):
        number += 1
        target = folder / f"{path.stem}-{number}{path.suffix}"
    return target
