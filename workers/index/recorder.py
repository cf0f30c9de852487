"""Writes what streams send to the index, in a thread of its own: no stream waits for a disk."""

import math
import queue
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from workers.errors import IndexDamaged
from workers.index.naming import FULL, OPEN, forgotten_path, shard_files, stored, tape_of
from workers.index.packing import sizes
from workers.index.records import Part, part_from_bytes, part_to_bytes
from workers.index.shard import read_full, read_open
from workers.index.tables import item_spans, selected
from workers.index.types import IndexSnapshot, ShardInfo, TapeBatch, TapeInfo
from workers.index.writer import OpenShard, compact

SHARD_S = 3600.0  # stream seconds of a shard
SHARD_BYTES = 64 << 20
SYNC_S = 5.0  # what was written before is safe from a loss of power
IDLE_S = 1.0
ABANDONED_S = 3600.0  # without a batch: its stream has died, or its camera is away
WAITING = 256  # batches, of about two seconds each
RESERVE_BYTES = 256 << 20  # of the disk are left free for events
MEASURE_S = 60.0

Reach = Callable[[str, float, float], bool]
"""Whether an erased interval of a live camera overlaps a time: (camera, start, end), Unix seconds."""

log = structlog.get_logger()


class IndexRecorder:
    """The one writer of an index. Its thread starts with the first batch, and first makes full what a crash left open.

    A disk that fails is logged and raises nothing: streams go on, and what is not written is counted as lost.
    """

    def __init__(self, folder: Path, reach: Reach) -> None:
        self._folder, self._reach = folder, reach
        self._batches: queue.Queue[TapeBatch | None] = queue.Queue(WAITING)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._open: dict[tuple[str, str], _Tape] = {}  # by camera and key of the stream
        self._bytes: Counter[str] = Counter()
        self._items: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._stored, self._failing, self._full = 0, False, False
        self._synced = self._measured = -math.inf  # monotonic

    def record(self, batch: TapeBatch) -> bool:
        """Take a batch; return False if too many wait: then it is lost, unless it is sent again. From any thread."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="index", daemon=True)
                self._thread.start()
        try:
            self._batches.put_nowait(batch)
        except queue.Full:
            return False
        return True

    def snapshot(self) -> IndexSnapshot:
        """Return the counters."""
        written, items, lost = (dict(counter) for counter in (self._bytes, self._items, self._lost))
        return IndexSnapshot(written, items, lost, self._stored, self._batches.qsize())

    def close(self, timeout_s: float) -> None:
        """Write what waits, and make full what is open; wait so long at most."""
        if self._thread is not None:
            with suppress(queue.Full):
                self._batches.put(None, timeout=timeout_s)
            self._thread.join(timeout_s)

    # What follows runs in the thread.

    def _run(self) -> None:
        self._finish_left()
        while True:
            try:
                batch = self._batches.get(timeout=IDLE_S)
                if batch is None:
                    break
                self._take(batch)
            except queue.Empty:
                pass
            self._look_after()
        for tape in list(self._open.values()):
            self._end(tape, closed=False)

    def _take(self, batch: TapeBatch) -> None:
        camera = batch.info.camera
        try:
            if self._full:
                raise OSError(f"less than {RESERVE_BYTES >> 20} MiB are free")
            self._write(batch)
        except (OSError, ValueError) as error:
            self._lost[camera] += batch.count
            if not self._failing:
                log.error("the index cannot be written, and has a gap", camera=camera, error=str(error))
            self._failing = True
            return
        if self._failing:
            log.info("the index is written again")
        self._failing = False

    def _write(self, batch: TapeBatch) -> None:
        tape = self._open.get((batch.info.camera, batch.info.key))
        if tape is not None and not tape.takes(batch):
            self._end(tape, closed=True)
            tape = None
        if tape is None:
            if forgotten_path(self._folder / batch.info.camera, tape_of(batch.info.key)).exists():
                return
            tape = self._begin(batch)
        if batch.first + batch.count > tape.next_item:  # else it was sent twice
            payload = self._permitted(batch)
            tape.shard.append(payload)
            tape.next_item, tape.touched = batch.first + batch.count, time.monotonic()
            self._bytes[batch.info.camera] += len(payload)
            self._items[batch.info.camera] += batch.count
        if batch.last:
            self._end(tape, closed=True)

    def _begin(self, batch: TapeBatch) -> "_Tape":
        """Open a shard. A file that is watched again from its start replaces what was stored of it."""
        info, folder = batch.info, self._folder / batch.info.camera
        same = [f for f in shard_files(folder) if f.tape == tape_of(info.key)]
        if not info.live and batch.first == 0:
            for file in same:
                file.path.unlink(missing_ok=True)
            same = []
        number = 1 + max((f.number for f in same), default=-1)
        since = batch.start if info.live else info.recorded
        shard = OpenShard(folder, ShardInfo(info, number, batch.first), since)
        reached = max(batch.first, _reached(same[-1].path) if same else 0)
        tape = self._open[info.camera, info.key] = _Tape(info, shard, batch.start, reached, time.monotonic())
        return tape

    def _permitted(self, batch: TapeBatch) -> bytes:
        """Return the payload of a batch without what was forgotten of a live stream."""
        info = batch.info
        if not info.live or not self._reach(info.camera, batch.start, batch.end):
            return batch.payload
        columns = part_from_bytes(batch.payload, sizes(info)).columns
        kept = [not self._reach(info.camera, start, end) for start, end in item_spans(columns)]
        return part_to_bytes(Part(batch.first, selected(columns, np.array(kept, bool))))

    def _end(self, tape: "_Tape", closed: bool) -> None:
        """Make a shard full; if the disk fails, it stays open until the next start."""
        self._open.pop((tape.info.camera, tape.info.key), None)
        tape.shard.close()
        self._make_full(tape.shard.path, closed)

    def _make_full(self, path: Path, closed: bool) -> None:
        try:
            compact(path, closed)
        except FileNotFoundError:  # it was forgotten
            pass
        except OSError as error:
            log.warning("a part of the index stays as it was written", path=str(path), error=str(error))
        except IndexDamaged as error:  # a crash left less than its head
            log.warning("a part of the index is removed, which cannot be read", path=str(path), error=str(error))
            path.unlink(missing_ok=True)

    def _finish_left(self) -> None:
        """Make full what a crash left open."""
        with suppress(FileNotFoundError):
            for folder in self._folder.iterdir():
                for path in folder.glob(f"*{OPEN}"):
                    self._make_full(path, closed=False)

    def _look_after(self) -> None:
        """Sync what was written, end what nobody writes to any more, and measure the disk; each now and then."""
        now = time.monotonic()
        if now - self._synced < SYNC_S:
            return
        self._synced = now
        for tape in list(self._open.values()):
            with suppress(OSError):  # it shows when the next batch is written
                tape.shard.sync()
            if now - tape.touched > ABANDONED_S:
                self._end(tape, closed=False)
        with suppress(OSError):
            self._full = shutil.disk_usage(self._folder).free < RESERVE_BYTES
        if now - self._measured >= MEASURE_S:
            self._measured = now
            self._stored = sum(size for _, size in stored(self._folder))


def _reached(path: Path) -> int:
    """Return the number of the item behind the last of a shard; 0 if it cannot be read."""
    with suppress(OSError, IndexDamaged):
        shard = read_full(path) if path.suffix == FULL else read_open(path)
        return shard.info.first + shard.count
    return 0


@dataclass(slots=True)
class _Tape:
    """A stream that is being written. ``start``: stream second of its open shard's first item."""

    info: TapeInfo
    shard: OpenShard
    start: float
    next_item: int
    touched: float  # monotonic

    def takes(self, batch: TapeBatch) -> bool:
        """Return whether the batch belongs into the same shard."""
        short = batch.start - self.start < SHARD_S and self.shard.size < SHARD_BYTES
        return short and batch.info == self.info
