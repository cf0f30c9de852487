"""A folder of uploads: each file that has arrived whole becomes one stream, then moves to the done folder."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from daemon.media_files import VIDEO_SUFFIXES
from daemon.supervisor import Supervisor, Watched
from workers.redaction import RedactedUrl
from workers.types import CameraSpec, EventSpec

CAMERA = "uploads"  # one name for all files: it is a metric label and part of every id
SETTLE_STEPS = 2  # looks during which size and time stay the same before a file counts as whole

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Arrival:
    stamp: tuple[int, int]  # size, modification time in ns
    steps: int = 0  # looks since the stamp last changed


class UploadFolder:
    """Hands files to the supervisor, one at a time, in order of their names. Call ``step`` as often as its."""

    def __init__(self, folder: Path, done: Path, events: tuple[EventSpec, ...]) -> None:
        self._folder, self._done, self._events = folder, done, events
        self._waiting: dict[Path, _Arrival] = {}
        self._current: Path | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def idle(self) -> bool:
        """Whether no file is waiting or being tagged."""
        return self._current is None and not self._waiting

    def step(self, supervisor: Supervisor) -> None:
        """Look at the folder: move a finished file away, start the next one that is whole."""
        running = next((w for w in supervisor.watched if w.camera.name == CAMERA), None)
        if running is not None and running.done:
            self._finish(running)
            supervisor.forget(CAMERA)
        self._look()
        whole = [p for p, a in sorted(self._waiting.items()) if a.steps >= SETTLE_STEPS]
        if self._current is None and whole:
            self._current = whole[0]
            del self._waiting[whole[0]]
            log.info("tagging upload", file=whole[0].name)
            events = tuple(e.name for e in self._events)
            supervisor.watch(CameraSpec(CAMERA, RedactedUrl(str(whole[0])), events=events), self._events)

    def _look(self) -> None:
        """Note what lies in the folder, and for how long it has not changed."""
        seen = {}
        for path in self._folder.iterdir():
            if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file() and path != self._current:
                status = path.stat()
                fresh = _Arrival((status.st_size, status.st_mtime_ns))
                known = self._waiting.get(path, fresh)
                seen[path] = replace(known, steps=known.steps + 1) if known.stamp == fresh.stamp else fresh
        self._waiting = seen

    def _finish(self, upload: Watched) -> None:
        """Move the file to ``done``, or to ``done/failed``; never over another file."""
        path, failed = self._current, upload.snapshot.state == "failed"
        assert path is not None
        folder = self._done / "failed" if failed else self._done
        folder.mkdir(parents=True, exist_ok=True)
        target, number = folder / path.name, 0
        while target.exists():
            number += 1
            target = folder / f"{path.stem}-{number}{path.suffix}"
        os.replace(path, target)
        self._current = None
        log.info("upload done", file=path.name, moved_to=str(target), failed=failed)
