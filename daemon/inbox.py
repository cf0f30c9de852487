"""Which files of a folder have arrived whole, in order of their names.

Links are left alone: who may put files there need not be allowed to see what the daemon can read.
"""

import os
import stat
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from os.path import splitext
from pathlib import Path

import structlog

from daemon.media_files import VIDEO_SUFFIXES
from workers.clock import Clock

LOOK_S = 0.5
SETTLE_S = 1.0  # during which size and time stay the same before a file counts as whole
LOOKING = 0.1  # of the time, at most, goes into looking: ten thousand files take a while

log = structlog.get_logger()

Stamp = tuple[int, int]  # size, modification time in ns


@dataclass(frozen=True, slots=True)
class _Arrival:
    stamp: Stamp
    since: float  # monotonic time since when the stamp is known


class Inbox:
    """A folder that others put files into."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self._arrivals: dict[str, _Arrival] = {}  # by name: ten thousand paths would take a second to sort
        self._whole: deque[str] = deque()
        self._due = 0.0

    @property
    def empty(self) -> bool:
        """Whether no file waits, whole or not, as was seen last."""
        return not self._arrivals

    def __len__(self) -> int:
        """Return how many files wait."""
        return len(self._arrivals)

    def look(self, apart: Collection[str], busy: bool) -> None:
        """Note which files lie there and for how long they have not changed, without those ``apart``.

        Where files are being worked on (``busy``) or wait whole, a look that follows another too soon is left out.
        """
        began = self._clock.monotonic()
        if began < self._due and (busy or self._whole):
            return
        try:
            with os.scandir(self._folder) as entries:
                videos = [e for e in entries if splitext(e.name)[1].lower() in VIDEO_SUFFIXES and e.name not in apart]
        except OSError as error:  # the folder has just been taken away: the next look tells
            log.debug("uploads cannot be looked at", folder=str(self._folder), error=str(error))
            return
        seen = ((entry.name, self._arrival(entry, began)) for entry in videos)
        self._arrivals = {name: arrival for name, arrival in seen if arrival is not None}
        self._whole = deque(sorted(n for n, a in self._arrivals.items() if began - a.since >= SETTLE_S))
        now = self._clock.monotonic()
        self._due = now + max(LOOK_S, (now - began) / LOOKING)

    def take(self) -> Path | None:
        """Return the first file that has arrived whole and is still as it was seen; None where there is none."""
        while self._whole:
            name = self._whole.popleft()
            arrival, path = self._arrivals.pop(name), self._folder / name
            try:
                if _stamp(path.lstat()) == arrival.stamp:
                    return path
            except OSError as error:  # it was taken away
                log.debug("an upload is gone", file=name, error=str(error))
        return None

    def _arrival(self, entry: os.DirEntry[str], now: float) -> _Arrival | None:
        try:
            stamp = _stamp(entry.stat(follow_symlinks=False))
        except OSError:  # it has just been taken away
            return None
        known = self._arrivals.get(entry.name)
        if stamp is None or (known and known.stamp == stamp):
            return known if stamp else None
        return _Arrival(stamp, now)


def _stamp(status: os.stat_result) -> Stamp | None:
    """Return size and time of a file, None for what is none: a link, a pipe, a folder."""
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None
