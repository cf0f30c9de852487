"""The upload folder: each complete file is processed as one stream, then moved to the done folder."""

import os
import shutil
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from alignment.errors import WatchwordError
from alignment.file_io import NAME_BYTES, shortened
from alignment.temporal.rule import TemporalRule
from daemon.config.sections.cameras import UPLOADS as CAMERA
from daemon.observability.camera_state import CameraState
from daemon.observability.snapshot import LEFT_ALONE, NAMED, LeftReason, UploadsSnapshot
from daemon.offline.exports import Tagged, make_writable
from daemon.offline.media_files import PARTIAL
from daemon.privacy.stores.store import remove_files
from daemon.privacy.stores.uploads import SIDECARS, UploadRecords, WatchedUpload, sidecar
from daemon.service.inbox import SCAN_S, Inbox
from daemon.service.sidecars import results_of, write_sidecars
from daemon.service.supervised_camera import SupervisedCamera
from daemon.service.supervisor import Supervisor
from workers.clock import Clock, SystemClock
from workers.events.erasures import Scope
from workers.redaction import RedactedUrl
from workers.types import CameraSpec, EventSpec

ATTEMPTS = 3  # at a file that crashes or stalls its stream, before it counts as failed
QUICK_S = 0.01
WAITED = 0.1  # longest delay of noticing the end of an upload, as a share of its duration
HALT_S = 20.0  # longest wait for the current upload to stop

log = structlog.get_logger()


class UploadNotEnded(WatchwordError):
    """The upload in progress did not stop in time, so `watchword forget` removed nothing."""

    code = "upload_not_ended"
    retryable = True
    remedy = "run `watchword forget` again; the machine may be overloaded"


@dataclass(slots=True)
class _Halt:
    """A request of another thread to stop uploads of a scope. ``ended``: when the current one stopped, if it had to."""

    scope: Scope
    served: threading.Event = field(default_factory=threading.Event)
    ended: float | None = None


class UploadFolder:
    """Gives files to the supervisor one at a time, in order of their names. Call ``step`` every ``pause_s``."""

    def __init__(
        self,
        folder: Path,
        done: Path,
        events: tuple[EventSpec, ...],
        records: UploadRecords,
        blur_faces: bool = False,
        sidecars: bool = False,
        clock: Clock | None = None,
        over_time: tuple[TemporalRule, ...] = (),
    ) -> None:
        self._clock = clock or SystemClock()
        self._records, self._since, self._began = records, 0.0, 0.0
        self._folder, self._done, self._events, self._blur_faces = folder, done, events, blur_faces
        self._sidecars, self._over_time = sidecars, over_time
        self._inbox = Inbox(folder, done, self._clock)
        self._current: Path | None = None
        self._left: set[str] = set()  # processed, but not moved
        self._halt: _Halt | None = None
        # files whose processing was interrupted by a crash or `forget`, or that could not be moved, and since when
        self._interrupted = {u.file: u.since for u in records.all() if u.until is None or self._is_here(Path(u.file))}
        self._tagged, self._failed, self._first_failure = 0, 0, ""
        self._errors: deque[tuple[str, str]] = deque(maxlen=NAMED)
        for place, key in ((folder, "folder"), (done, "done")):
            make_writable(place, f"set uploads.{key} to a folder that this user may write to")
        remove_files(folder.glob(f"{PARTIAL}*"))  # what a crash left of a file that arrived over HTTP
        for file in [file for file in self._interrupted if not os.path.lexists(file)]:
            del self._interrupted[file]  # or a new file of that name would count as interrupted
            with suppress(OSError):  # a full disk: the next start tries again
                records.drop([file])

    @property
    def idle(self) -> bool:
        """Return whether no file waits or is being processed."""
        return self._current is None and self._inbox.empty

    @property
    def failed(self) -> dict[str, str]:
        """Return the number of unreadable files and the first error, under the name that all uploads share."""
        return {CAMERA: f"{self._failed} file(s), first {self._first_failure}"} if self._failed else {}

    def snapshot(self) -> UploadsSnapshot:
        """Return the counters."""
        left = self._not_processed
        return UploadsSnapshot(
            self._tagged,
            self._failed,
            len(self._inbox),
            dict(Counter(left.values())),
            self._shown(self._current) if self._current else None,
            self._inbox.first(NAMED),
            tuple(sorted(left.items())[:NAMED]),
            tuple(self._errors),
        )

    @property
    def left_alone(self) -> dict[str, str]:
        """Return what lies in the folder and is not processed, by its path there, with the reason in words."""
        return {name: LEFT_ALONE[reason] for name, reason in sorted(self._not_processed.items())}

    @property
    def _not_processed(self) -> dict[str, LeftReason]:
        not_moved: dict[str, LeftReason] = dict.fromkeys(self._left, "not_moved")
        return {**self._inbox.left_alone, **not_moved}

    @property
    def pause_s(self) -> float:
        """Return the seconds to wait before the next step: fewer for uploads that began recently."""
        if self._current is None:
            return SCAN_S
        return min(SCAN_S, max(QUICK_S, WAITED * (self._clock.monotonic() - self._began)))

    @contextmanager
    def halted(self, scope: Scope) -> Iterator[float | None]:
        """Stop the current upload for the duration of the block if the scope covers it; another thread calls this.

        Yield the Unix time when that upload stopped, or None if there is none. Raise ``UploadNotEnded``.
        """
        if scope.camera != CAMERA:
            yield None
            return
        self._halt = halt = _Halt(scope)
        try:
            if not halt.served.wait(HALT_S):
                raise UploadNotEnded(
                    f"the current upload did not stop within {HALT_S:.0f} s; nothing was removed",
                    "try again; `queue_depth` and the log tell what it waits for",
                )
            yield halt.ended
        finally:
            if halt.ended is not None:  # the other thread waits until the next line
                self._interrupted = {file: since for file, since in self._interrupted.items() if os.path.lexists(file)}
            self._halt = None

    def change(self, events: tuple[EventSpec, ...], blur_faces: bool, over_time: tuple[TemporalRule, ...] = ()) -> None:
        """Process the next files with other settings; the current one is finished with those it began with."""
        self._events, self._blur_faces, self._over_time = events, blur_faces, over_time

    def step(self, supervisor: Supervisor) -> None:
        """Move a finished file to the done folder; start the next complete one."""
        supervisor.step(CAMERA)
        running = next((c for c in supervisor.cameras if c.name == CAMERA), None)
        if running is not None and (running.done or (running.handle is None and self._is_gone())):
            if running.retired:
                self._leave()
            else:
                self._finish(running)
            supervisor.forget(CAMERA)
            running = None
        if (halt := self._halt) is not None and self._serve_halt(halt, running, supervisor):
            return
        apart = self._left | ({self._shown(self._current)} if self._current else set())
        self._inbox.scan(apart, busy=self._current is not None)
        if self._current is None and (path := self._inbox.take()) is not None:
            self._begin(path, supervisor)

    def _serve_halt(self, halt: _Halt, running: SupervisedCamera | None, supervisor: Supervisor) -> bool:
        """Stop the current upload if a halt covers it; return whether no other may start."""
        if halt.served.is_set():
            return halt.ended is not None
        if running is None or not halt.scope.overlaps(self._since, self._clock.wall()):
            halt.served.set()
            return False
        if not running.retired:
            log.info("stopping the current upload, because it will be forgotten")
            supervisor.retire(CAMERA)
        return True

    def _leave(self) -> None:
        """Leave the current file in the folder: it will be forgotten, or processed again."""
        assert self._current is not None
        self._interrupted[str(self._current.absolute())] = self._since
        self._current, now = None, self._clock.wall()
        if (halt := self._halt) is not None and halt.scope.overlaps(self._since, now):
            halt.ended = now
            halt.served.set()

    def _begin(self, path: Path, supervisor: Supervisor) -> None:
        file = str(path.absolute())
        since = self._interrupted.pop(file, self._clock.wall())
        try:
            self._records.note(WatchedUpload(file, since, None))
        except OSError as error:
            log.error("upload waits, because the upload record cannot be written", file=path.name, error=str(error))
            return
        self._current, self._since, self._began = path, since, self._clock.monotonic()
        log.info("upload started", file=self._shown(path), waiting=len(self._inbox))
        events = tuple(e.name for e in self._events)
        upload = CameraSpec(
            CAMERA,
            RedactedUrl(str(path)),
            events=events,
            blur_faces=self._blur_faces,
            upload=self._shown(path),
            results=self._sidecars,
            over_time=self._over_time,
        )
        supervisor.watch(upload, self._events, attempts=ATTEMPTS)
        supervisor.step(CAMERA)

    def _shown(self, path: Path) -> str:
        """Return the path of an upload below the folder."""
        return str(path.relative_to(self._folder))

    def _is_here(self, path: Path) -> bool:
        """Return whether a path is in the folder of uploads and not in ``done``, of which one may lie in the other."""
        here, there = self._folder.absolute(), self._done.absolute()
        return path.is_relative_to(here) and (here.is_relative_to(there) or not path.is_relative_to(there))

    def _is_gone(self) -> bool:
        """Return whether the current file was removed: a retry would not find it, and other files wait."""
        return self._current is not None and not self._current.exists()

    def _finish(self, upload: SupervisedCamera) -> None:
        """Move the file to ``done`` or ``done/failed``, never over another file; never process it a second time."""
        path, failed = self._current, upload.state is not CameraState.ENDED
        assert path is not None
        if failed:
            self._failed += 1
            self._first_failure = self._first_failure or f"{self._shown(path)}: {upload.snapshot.error}"
        else:
            self._tagged += 1
        below = (Path("failed") if failed else Path()) / Path(self._shown(path)).parent
        folder = self._done / below
        self._current = None
        try:
            if not self._inbox.holds(path):
                raise NotADirectoryError(f"{path.parent} became a link")
            folder.mkdir(parents=True, exist_ok=True)
            if link := next((p for p in (below, *below.parents) if p.parts and (self._done / p).is_symlink()), None):
                raise NotADirectoryError(f"{self._done / link} is a link")
            target = _free_name(folder, path)
            if self._is_here(target.absolute()):
                raise FileExistsError(f"{target} is in the folder of uploads again")
            self._move(path, target, results_of(self._shown(path), upload) if self._sidecars else None)
            if failed:
                self._errors.append((str(target.relative_to(self._done)), upload.snapshot.error or ""))
        except OSError as error:
            if path.exists():
                self._left.add(self._shown(path))
            log.error("upload cannot be moved", file=self._shown(path), folder=str(folder), error=str(error))
            return
        log.info("upload done", file=self._shown(path), moved_to=str(target), failed=failed)

    def _move(self, path: Path, target: Path, results: Tagged | None) -> None:
        """Move a file, also to another disk, and record its place; raise ``OSError`` if it was not moved.

        Its results are written first: they are whole when the file is there, and after a crash it is processed again.
        """
        moved = WatchedUpload(str(target.absolute()), self._since, self._clock.wall())
        # recorded first: an extra record after a crash is harmless, but `forget` would miss a file without one
        self._records.note(moved)
        if results is not None:
            write_sidecars(target, results)
        try:
            shutil.move(path, target)
        except OSError:
            if path.exists():
                self._records.note(replace(moved, file=str(path.absolute())))
            remove_files([target, *(sidecar(target, form) for form in SIDECARS)])  # partial, if the disk was full
            self._records.drop([moved.file])
            raise


def _free_name(folder: Path, path: Path) -> Path:
    """Return a path in ``folder`` that no other file has."""
    target, number = folder / path.name, 0
    while os.path.lexists(target):
        number += 1
        ending = f"-{number}{path.suffix}"
        target = folder / (shortened(path.stem, NAME_BYTES - len(os.fsencode(ending))) + ending)
    return target
