"""The queue on disk that every event enters before anything else happens to it.

Segment files of checksummed lines, named by their first sequence number; ``append`` returns after one fsync for
the batch. A cursor file says up to where events are published. Losing it costs nothing but a second publishing,
which the markers in Redis turn into nothing: so only the segments are synced.
"""

import errno
import itertools
import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from alignment.durable import make_folder, replacing, sync_path
from workers.clock import Clock, SystemClock
from workers.errors import SpoolError
from workers.publish.durable import lock_folder, replace_file, write_all
from workers.publish.records import Record, decode, encode, scan
from workers.types import Event

_log = logging.getLogger(__name__)

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_HINT = "check the disk and the rights of the state folder"


class SpoolFull(SpoolError):
    """The size cap is reached or the disk is full."""

    code = "spool_full"


@dataclass(frozen=True, slots=True)
class SpoolSnapshot:
    """The spool's counters, copied at one moment."""

    waiting: int = 0  # events
    bytes: int = 0  # of the events that wait
    oldest_s: float = 0.0  # age of the oldest event that waits
    damaged: int = 0  # lines that could not be read back


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an event that waits lies on disk."""

    seq: int
    since: float  # monotonic seconds: an age must not change with the wall clock
    segment: Path
    offset: int
    size: int


class Spool:
    """A queue of events in ``folder``. One owner at a time; methods may be called from any thread."""

    def __init__(
        self,
        folder: Path,
        max_bytes: int = 256 << 20,
        segment_bytes: int = 4 << 20,
        clock: Clock | None = None,
        wait_s: float = 0.0,
    ) -> None:
        """Take over the folder; an owner before this one may take ``wait_s`` to let go."""
        self._folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = min(segment_bytes, max(1, max_bytes // 4))
        self._clock = clock or SystemClock()
        self._mutex = Lock()
        self._waiting: deque[_Place] = deque()
        self._sizes: dict[Path, int] = {}  # segment -> bytes on disk, oldest first
        self._last: dict[Path, int] = {}  # segment -> its last sequence number
        self._file: BinaryIO | None = None  # the segment being written, unbuffered
        self._bytes = self._damaged = 0
        self._next = 1  # sequence number of the next event
        try:
            make_folder(folder, 0o700)  # it holds what people said
            self._owner = lock_folder(folder, wait_s)
            self._recover()
        except OSError as error:
            raise SpoolError(f"spool {folder} cannot be opened: {error.strerror}", _HINT) from error

    @property
    def folder(self) -> Path:
        """Return where it lies."""
        return self._folder

    def append(self, events: Sequence[Event]) -> tuple[int, ...]:
        """Keep events for good and return their sequence numbers.

        Raise ``SpoolFull`` at the size cap or on a full disk, ``SpoolError`` otherwise: none was taken.
        """
        with self._mutex:
            if self._owner < 0:
                raise SpoolError(f"spool {self._folder} is closed", "publish before the daemon has drained")
            first, at = self._next, self._clock.wall()
            lines = [encode(Record(first + i, at, event)) for i, event in enumerate(events)]
            if sum(self._sizes.values()) + sum(map(len, lines)) > self._max_bytes:
                text = f"spool {self._folder} is full: {len(self._waiting)} events wait, {self._max_bytes} bytes"
                raise SpoolFull(text, "bring Redis back, or raise the cap of the spool")
            # Never used twice, even when the write fails: half of it may be read back after a crash.
            self._next = first + len(lines)
            if lines:
                self._write(lines, first)
            return tuple(range(first, self._next))

    def pending(self, limit: int) -> list[Record]:
        """Return the oldest events that wait, at most ``limit``, without removing them."""
        with self._mutex:
            records: list[Record] = []
            lost: set[int] = set()
            for segment, places in itertools.groupby(itertools.islice(self._waiting, limit), lambda p: p.segment):
                for place, record in _read(segment, list(places)):
                    if record is None:
                        lost.add(place.seq)
                    else:
                        records.append(record)
            if lost:
                self._damaged += len(lost)
                self._waiting = deque(p for p in self._waiting if p.seq not in lost)
                self._bytes = sum(p.size for p in self._waiting)
            return records

    def ack(self, up_to: int) -> None:
        """Remove the events up to and including this sequence number: they are published.

        A spool that has been closed is left as it is, for it may be another owner's by now.
        """
        with self._mutex:
            if self._owner < 0:
                return
            while self._waiting and self._waiting[0].seq <= up_to:
                self._bytes -= self._waiting.popleft().size
            # A full disk must not stop the removal that frees it.
            with suppress(OSError):
                replace_file(self._folder / "cursor", str(up_to))
            self._drop(up_to)

    def erase(self, unwanted: Callable[[Record], bool], begun_before_s: float = float("inf")) -> int:
        """Remove records, also those that are published but still on disk, and damaged lines; return how many.

        Only segments that begin before a Unix time are read. What stays of them is written anew, so that nothing of
        what went is left in a file. Raise ``SpoolError``.
        """
        with self._mutex:
            try:
                chosen = [s for s in self._sizes if _begins(s) < begun_before_s]
                return sum(self._rewrite(segment, unwanted) for segment in chosen)
            except OSError as error:
                raise SpoolError(f"spool {self._folder} cannot be rewritten: {error.strerror}", _HINT) from error

    def snapshot(self) -> SpoolSnapshot:
        """Return the counters."""
        with self._mutex:
            age = self._clock.monotonic() - self._waiting[0].since if self._waiting else 0.0
            return SpoolSnapshot(len(self._waiting), self._bytes, age, self._damaged)

    def close(self) -> None:
        """Let another owner in. What waits stays."""
        with self._mutex:
            if self._file:
                self._file.close()
                self._file = None
            if self._owner >= 0:
                os.close(self._owner)
                self._owner = -1

    def _recover(self) -> None:
        """Read all segments back, skip damaged lines, cut a torn end off."""
        acked = _cursor(self._folder / "cursor")
        self._next = acked + 1
        for segment in sorted(self._folder.glob("*.seg")):
            end = 0
            self._last[segment] = 0
            with segment.open("rb") as file:
                for offset, size, record in scan(file):
                    if record is None:
                        self._damaged += 1
                        continue
                    end = offset + size
                    self._last[segment] = record.seq
                    self._next = max(self._next, record.seq + 1)
                    if record.seq > acked:
                        waited = max(0.0, self._clock.wall() - record.at)
                        self._wait(_Place(record.seq, self._clock.monotonic() - waited, segment, offset, size))
            os.truncate(segment, end)
            self._sizes[segment] = end
        if self._damaged:
            _log.warning("spool %s: %d damaged lines could not be read back", self._folder, self._damaged)
        self._drop(acked)

    def _rewrite(self, segment: Path, unwanted: Callable[[Record], bool]) -> int:
        data = segment.read_bytes()
        lines = list(scan(BytesIO(data)))
        kept = [(record.seq, data[at : at + size]) for at, size, record in lines if record and not unwanted(record)]
        if len(kept) == len(lines):
            return 0
        if self._file and self._writes(segment):  # the next batch begins another
            self._file.close()
            self._file = None
        offsets, end = {}, 0
        for seq, line in kept:
            offsets[seq] = end
            end += len(line)
        if kept:
            with replacing(segment, private=True) as part:
                part.write_bytes(b"".join(line for _, line in kept))
            self._sizes[segment] = end
        else:
            segment.unlink()
            sync_path(self._folder)
            del self._sizes[segment], self._last[segment]
        stay = (p for p in self._waiting if p.segment != segment or p.seq in offsets)
        self._waiting = deque(replace(p, offset=offsets[p.seq]) if p.segment == segment else p for p in stay)
        self._bytes = sum(p.size for p in self._waiting)
        return len(lines) - len(kept)

    def _wait(self, place: _Place) -> None:
        self._waiting.append(place)
        self._bytes += place.size

    def _drop(self, acked: int) -> None:
        """Delete the segments in which nothing waits any more."""
        for segment in [s for s in self._sizes if self._last[s] <= acked and not self._writes(s)]:
            segment.unlink(missing_ok=True)
            del self._sizes[segment], self._last[segment]

    def _writes(self, segment: Path) -> bool:
        return self._file is not None and self._file.name == str(segment)

    def _write(self, lines: list[bytes], first: int) -> None:
        """Write and sync a batch; on an error cut it off again."""
        try:
            file = self._segment(first)
            segment = Path(file.name)
            start = self._sizes[segment]
            write_all(file, b"".join(lines))
            os.fsync(file.fileno())
        except OSError as error:
            self._abandon()
            text = f"spool {self._folder} cannot be written: {error.strerror}"
            raise (SpoolFull if error.errno in FULL else SpoolError)(text, _HINT) from error
        since = self._clock.monotonic()
        for i, line in enumerate(lines):
            self._wait(_Place(first + i, since, segment, start, len(line)))
            start += len(line)
        self._sizes[segment], self._last[segment] = start, first + len(lines) - 1

    def _segment(self, first: int) -> BinaryIO:
        """Return the segment to write to, a new one where the last is long enough."""
        if self._file and self._sizes[Path(self._file.name)] >= self._segment_bytes:
            self._file.close()
            self._file = None
        if self._file is None:
            path = self._folder / f"{first:020d}.seg"
            self._file = open(str(path), "ab", buffering=0)  # noqa: SIM115 - stays open between batches
            self._sizes[path], self._last[path] = 0, first - 1
            sync_path(self._folder)
        return self._file

    def _abandon(self) -> None:
        """Leave a segment whose last write failed; what the kernel kept of it is unknown."""
        if self._file is None:
            return
        segment = Path(self._file.name)
        with suppress(OSError):
            self._file.truncate(self._sizes[segment])
        with suppress(OSError):
            self._file.close()
        self._file = None
        if not self._sizes[segment]:  # or every try on a full disk would leave one
            with suppress(OSError):
                segment.unlink()
                del self._sizes[segment], self._last[segment]


def _cursor(path: Path) -> int:
    """Return the last published sequence number, 0 where none is known."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return 0


def _begins(segment: Path) -> float:
    """Return when the first event of a segment was accepted, Unix seconds; 0 where that cannot be read."""
    with segment.open("rb") as file:
        _, _, record = next(scan(file), (0, 0, None))
    return record.at if record else 0.0


def _read(segment: Path, places: Sequence[_Place]) -> Iterator[tuple[_Place, Record | None]]:
    """Yield the records at these places of one segment, None for one that is damaged by now."""
    try:
        file = segment.open("rb")
    except FileNotFoundError:
        yield from ((place, None) for place in places)
        return
    with file:
        for place in places:
            file.seek(place.offset)
            yield place, decode(file.read(place.size))
