"""Find the complete media files of a folder and its subfolders, in order of their paths; note what else lies there.

Links are ignored: a user who can write to the folder may not be allowed to read everything that the daemon can.
"""

import heapq
import os
import stat
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from os.path import splitext
from pathlib import Path

import structlog

from daemon.observability.snapshot import LEFT_ALONE, LeftReason
from daemon.offline.media_files import MEDIA_SUFFIXES, PARTIAL
from workers.clock import Clock

SCAN_S = 0.5
SETTLE_S = 1.0  # a file is complete when its size and time have not changed for so long
SCANNING = 0.1  # largest share of time spent on scanning: ten thousand files take a while
MAX_TOLD = 20  # files that are logged one by one, of those that one scan finds

log = structlog.get_logger()

Stamp = tuple[int, int]  # size, modification time in ns


@dataclass(frozen=True, slots=True)
class _Arrival:
    stamp: Stamp
    since: float  # monotonic time when the stamp was first seen


class Inbox:
    """Scans a folder into which other programs put files; ``done``, which may lie in it, is no part of it."""

    def __init__(self, folder: Path, done: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self._done = os.path.abspath(done)
        self._arrivals: dict[str, _Arrival] = {}  # by path below the folder: ten thousand `Path` would take a second
        self._complete: deque[str] = deque()
        self._left: dict[str, LeftReason] = {}  # by path
        self._noticed: dict[str, float] = {}  # paths of those -> monotonic time when they were first seen
        self._told: set[str] = set()
        self._due = 0.0

    @property
    def empty(self) -> bool:
        """Return whether the last scan found no media file, complete or not."""
        return not self._arrivals

    @property
    def left_alone(self) -> Mapping[str, LeftReason]:
        """Return what the last scan found but is not processed: path below the folder -> reason (``LEFT_ALONE``)."""
        return self._left

    def first(self, count: int) -> tuple[str, ...]:
        """Return the names of the files that are next."""
        return tuple(heapq.nsmallest(count, self._arrivals))

    def __len__(self) -> int:
        """Return how many files wait."""
        return len(self._arrivals)

    def scan(self, apart: Collection[str], busy: bool) -> None:
        """Scan the folder for new and changed files, except those in ``apart`` (paths below the folder).

        While a file is being processed (``busy``) or complete ones wait, scans are limited in frequency.
        """
        began = self._clock.monotonic()
        if began < self._due and (busy or self._complete):
            return
        arrivals: dict[str, _Arrival] = {}
        left: dict[str, LeftReason] = {}
        for name, entry in self._entries(left):
            if (reason := _reason(entry)) is not None:
                left[name] = reason
            elif name not in apart and (arrival := self._arrival(name, entry, began)) is not None:
                arrivals[name] = arrival
        self._arrivals = arrivals
        self._complete = deque(sorted(n for n, a in arrivals.items() if began - a.since >= SETTLE_S))
        self._leave(left, began)
        now = self._clock.monotonic()
        self._due = now + max(SCAN_S, (now - began) / SCANNING)

    def take(self) -> Path | None:
        """Return the first complete file that has not changed since the scan; None without one."""
        while self._complete:
            name = self._complete.popleft()
            arrival, path = self._arrivals.pop(name), self._folder / name
            try:
                if _stamp(path.lstat()) == arrival.stamp and self.holds(path):
                    return path
            except OSError as error:  # it was removed
                log.debug("upload was removed", file=name, error=str(error))
        return None

    def holds(self, path: Path) -> bool:
        """Return whether a path below the folder leads there: no subfolder was replaced by a link."""
        parent = path.parent
        return parent == self._folder or parent.resolve() == self._folder.resolve() / parent.relative_to(self._folder)

    def _entries(self, left: dict[str, LeftReason]) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Yield what lies in the folder and its subfolders, with its path below the folder."""
        folders = [""]
        while folders:
            below = folders.pop()
            try:
                with os.scandir(self._folder / below) as entries:
                    for entry in entries:
                        if entry.name.startswith(PARTIAL):
                            continue
                        name = below + entry.name
                        if not entry.is_dir(follow_symlinks=False):
                            yield name, entry
                        elif entry.name.startswith("."):
                            left[name] = "hidden"
                        elif os.path.abspath(entry.path) != self._done:
                            folders.append(f"{name}/")
            except OSError as error:  # the folder was just removed, or belongs to somebody else
                log.debug("upload folder cannot be scanned", folder=str(self._folder / below), error=str(error))
                if below and os.path.lexists(self._folder / below):
                    left[below] = "unreadable"

    def _arrival(self, name: str, entry: os.DirEntry[str], now: float) -> _Arrival | None:
        try:
            stamp = _stamp(entry.stat(follow_symlinks=False))
        except OSError:  # it was just removed
            return None
        known = self._arrivals.get(name)
        if stamp is None or (known and known.stamp == stamp):
            return known if stamp else None
        return _Arrival(stamp, now)

    def _leave(self, left: dict[str, LeftReason], now: float) -> None:
        """Keep what is not processed, and log what has stayed: programs write into files of other names first."""
        self._left = left
        self._noticed = {name: self._noticed.get(name, now) for name in left}
        self._told &= left.keys()
        new = [n for n, since in sorted(self._noticed.items()) if now - since >= SETTLE_S and n not in self._told]
        self._told.update(new)
        for name in new[:MAX_TOLD]:
            log.warning("upload left alone", file=name, reason=left[name], why=LEFT_ALONE[left[name]])
        if len(new) > MAX_TOLD:
            others = Counter(left[name] for name in new[MAX_TOLD:])
            log.warning("more uploads left alone", files=len(new) - MAX_TOLD, reasons=dict(others))


def _reason(entry: os.DirEntry[str]) -> LeftReason | None:
    """Return why an entry that is no folder is left alone; None for a media file."""
    if entry.name.startswith("."):
        return "hidden"
    if entry.is_symlink():
        return "link"
    try:
        if not entry.is_file(follow_symlinks=False):
            return "special"
    except OSError:  # it was just removed
        return None
    return None if splitext(entry.name)[1].lower() in MEDIA_SUFFIXES else "ending"


def _stamp(status: os.stat_result) -> Stamp | None:
    """Return size and time of a regular file; None for a link, a pipe or a folder."""
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None
