"""The log on disk that every event enters first; several readers follow it, each with a cursor of its own.

``append`` returns when the events are on disk. A reader's cursor says up to where it has acknowledged what it read. A
cursor is not synced: losing one costs a second delivery, which a reader must recognise (Redis does by its markers).

What every reader has acknowledged stays for a while, so that the past can be queried: at most ``KEEP_BYTES`` and about
``KEEP_S``. What a reader has not acknowledged stays until the log is full, and is never given up.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, RLock
from typing import Literal

import structlog

from alignment.file_io import make_folder
from workers.clock import Clock, SystemClock
from workers.errors import EventLogError, EventLogFull
from workers.events.event import Caption, Event, Verification
from workers.file_lock import LockHeld, hold_lock
from workers.publish.log.cursor import Cursor, ReaderSnapshot, Waiting
from workers.publish.log.database import BEFORE, ENDED, OPEN
from workers.publish.log.records import Record, size_of, to_row
from workers.publish.log.repair import remove_aside
from workers.publish.log.store import Store

log = structlog.get_logger()

MAX_BYTES = 256 << 20
KEEP_BYTES = 64 << 20
KEEP_S = 7 * 86_400.0
SLACK = 7  # rows go in steps, as the file is rewritten for each: by age after a seventh of KEEP_S, by size the half
PRUNE_S = 60.0  # between two looks whether rows are past these limits
COMPACT_S = 3600.0  # between two rewritings of the file for rows that were erased by their time
_CHUNK = 256  # rows or ids in one statement


@dataclass(frozen=True, slots=True)
class EventLogSnapshot:
    """The log's counters, copied at one moment."""

    bytes: int = 0  # of all rows, acknowledged or not
    damaged: int = 0  # rows and files that could not be read back


class EventLog:
    """The event log in ``folder``. One owner at a time; methods may be called from any thread.

    Other threads and processes query it by ``LogView``. ``max_bytes``: size of the file at which events are refused.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int = MAX_BYTES,
        keep_bytes: int = KEEP_BYTES,
        keep_s: float = KEEP_S,
        clock: Clock | None = None,
        wait_s: float = 0.0,
    ) -> None:
        """Take over the folder; an owner before this one may take ``wait_s`` to close it. Raise ``EventLogError``."""
        self._folder, self._keep_bytes, self._keep_s = folder, keep_bytes, keep_s
        self._clock = clock or SystemClock()
        self._mutex = RLock()
        self._changed = Condition(self._mutex)
        self._cursors: dict[str, Cursor] = {}
        self._generation = 0
        self._prune_due = self._compact_due = self._clock.monotonic()
        self._is_stale = False  # rows were erased by their time since the file was rewritten
        self._store = Store(folder, max_bytes)
        self._owner = _owned(folder, wait_s)
        try:
            self._store.open()
        except EventLogFull as error:
            log.warning("events are refused until there is room", error=error.message)
        except BaseException:
            self.close()
            raise

    def position(self, name: str) -> int:
        """Return up to where a reader has acknowledged."""
        with self._mutex:
            return self._cursors[name].position

    @property
    def folder(self) -> Path:
        """Return where the log lies."""
        return self._folder

    def append(self, events: Sequence[Event]) -> tuple[int | None, ...]:
        """Keep revisions for good, all or none; return their sequence numbers.

        None stands for a revision that is not kept because ``end_open`` has ended its event. Those of an event that
        was amended are kept with what was amended, and with numbers that leave those of the amendments out. Raise
        ``EventLogFull`` at the size cap or on a full disk, ``EventLogError`` otherwise: none was kept then.
        """
        with self._using() as store:
            before = {event.id: _last(store, event.id) for event in events}
            given_up = {event_id for event_id, (is_given_up, _) in before.items() if is_given_up}
            kept = [event for event in events if event.id not in given_up]
            amended = [event.following(last) if (last := before[event.id][1]) else event for event in kept]
            numbers = iter(self._append(amended))
            return tuple(None if event.id in given_up else next(numbers) for event in events)

    def amend(
        self, event_id: str, verification: Verification | None = None, caption: Caption | None = None
    ) -> Event | None:
        """Keep one more revision of an event, with what is given; return it, or None where the event is not there.

        It has the type of the revision before, but ``update`` for ``new``. What the last revision says already is not
        kept again. Raise as ``append`` does.
        """
        given = {"verification": verification, "caption": caption}
        parts = {name: part for name, part in given.items() if part is not None}
        with self._using() as store:
            last = "WHERE seq = (SELECT seq FROM events WHERE id = ? ORDER BY revision DESC, seq DESC LIMIT 1)"
            found = store.records(last, (event_id,))
            if not found or all(getattr(found[0].event, name) == part for name, part in parts.items()):
                return found[0].event if found else None
            event = found[0].event.amended(parts, self._clock.wall())
            self._append((event,))
            return event

    def end_open(self, camera: str | None = None) -> tuple[Event, ...]:
        """End the live events that a stream which died left open; keep their ends, and return them.

        ``camera`` None: of all cameras. Later revisions of these events are not kept. Raise as ``append`` does.
        """
        with self._using() as store:
            of, values = ("", ()) if camera is None else (" AND camera = ?", (camera,))
            last = f"SELECT seq FROM (SELECT seq, max(revision) FROM events WHERE id IN ({OPEN}{of}) GROUP BY id)"
            left = store.records(f"WHERE seq IN ({last}) ORDER BY seq", values, every=False)
            ends = tuple(record.event.interrupted_at(self._clock.wall()) for record in left)
            self._append(ends)
            return ends

    def reader(self, name: str, start: Literal["beginning", "end"] = "beginning") -> "LogReader":
        """Return the reader of this name, which goes on behind what it has acknowledged; a new one begins at ``start``.

        From now on the log gives up nothing that this reader has not acknowledged. Raise ``EventLogError``.
        """
        with self._using() as store:
            if name not in self._cursors:
                known = store.values("SELECT cursor FROM readers WHERE name = ?", (name,))
                new = store.last if start == "end" else 0
                self._cursors[name] = Cursor(int(known[0][0]) if known else new)
                self._refill()
                if not known:
                    with suppress(EventLogFull):  # the first acknowledgement writes it
                        store.save_cursors({name: new})
                store.records("WHERE seq > ? ORDER BY seq LIMIT 1", (self._cursors[name].position,))  # or raise now
            return LogReader(self, name)

    def read(self, name: str, limit: int, wait_s: float = 0.0) -> list[Record]:
        """Return the oldest revisions that a reader has not acknowledged; see ``LogReader.next``."""
        with self._using() as store:
            cursor = self._cursors[name]
            self._changed.wait_for(lambda: self._owner < 0 or cursor.waits, wait_s)
            if self._owner < 0:
                return []
            return store.records("WHERE seq > ? ORDER BY seq LIMIT ?", (cursor.position, limit))

    def acknowledge(self, name: str, up_to: int) -> None:
        """Move a reader's cursor; see ``LogReader.acknowledge``."""
        with self._using() as store:
            if self._owner < 0:  # it may be another owner's by now
                return
            self._cursors[name].advance(up_to)
            with suppress(EventLogError):  # a full disk must not stop the readers; the next one writes it
                store.save_cursors({name: c.position for name, c in self._cursors.items()})
                self._prune()

    def waiting(self, name: str) -> ReaderSnapshot:
        """Return a reader's counters."""
        with self._mutex:
            return self._cursors[name].snapshot(self._clock.monotonic())

    def erase(self, ids: frozenset[str], before_s: float = 0.0) -> int:
        """Remove events by id, and revisions that were accepted before a Unix time; return how many revisions.

        Live events that are open stay until they have ended, unless their id is named. No byte of what is erased by id
        is left in the log's files, a damaged one included; of what is erased by time after ``COMPACT_S``.
        Raise ``EventLogError``.
        """
        with self._using() as store:
            gone = sum(store.remove(f"id IN ({', '.join('?' * len(some))})", some) for some in _chunks(sorted(ids)))
            gone += store.remove(BEFORE, (before_s, before_s))
            self._refill()
            self._is_stale |= gone > 0
            if ids or (self._is_stale and self._clock.monotonic() >= self._compact_due):
                store.compact()
                self._is_stale, self._compact_due = False, self._clock.monotonic() + COMPACT_S
            remove_aside(self._folder, float("inf") if ids else before_s)
            return gone

    def snapshot(self) -> EventLogSnapshot:
        """Return the counters."""
        with self._mutex:
            return EventLogSnapshot(self._store.bytes, self._store.damaged)

    def close(self) -> None:
        """Let another owner in. What is not acknowledged stays."""
        with self._mutex:
            self._store.close()
            if self._owner >= 0:
                os.close(self._owner)
                self._owner = -1
            self._changed.notify_all()

    @contextmanager
    def _using(self) -> Iterator[Store]:
        """Yield the store to one thread at a time; afterwards the cursors fit what damage has left in it."""
        with self._mutex:
            try:
                yield self._store
            finally:
                if self._generation != self._store.generation and self._owner >= 0:
                    self._refill()

    def _append(self, events: Sequence[Event]) -> tuple[int, ...]:
        """Keep revisions, all or none."""
        if not events:
            return ()
        at, since, first = self._clock.wall(), self._clock.monotonic(), self._store.last + 1
        rows = [to_row(Record(first + n, at, event)) for n, event in enumerate(events)]
        self._store.insert(rows, self._make_room)
        waiting = [Waiting(first + n, since, size_of(row)) for n, row in enumerate(rows)]
        for cursor in self._cursors.values():
            cursor.add(waiting)
        self._changed.notify_all()
        return tuple(one.seq for one in waiting)

    def _refill(self) -> None:
        """Read anew what waits for each reader."""
        self._generation = self._store.generation
        rows = self._store.sizes(self._floor)
        now, wall = self._clock.monotonic(), self._clock.wall()
        for cursor in self._cursors.values():
            waiting = (Waiting(seq, now - max(0.0, wall - at), size) for seq, at, size in rows if seq > cursor.position)
            cursor.replace(waiting)

    @property
    def _floor(self) -> int:
        """Return up to where every reader has acknowledged; without a reader nothing is."""
        return min((cursor.position for cursor in self._cursors.values()), default=0)

    def _make_room(self) -> bool:
        """Remove the oldest rows that every reader has acknowledged; return whether there were any."""
        oldest = f"SELECT seq FROM events WHERE seq <= ? AND {ENDED} ORDER BY seq LIMIT {_CHUNK}"
        with suppress(EventLogError):  # on a full disk
            return bool(self._store.remove(f"seq IN ({oldest})", (self._floor,)))
        return False

    def _prune(self) -> None:
        """Remove acknowledged rows that are past the limits: now and then, many at once."""
        now, floor = self._clock.monotonic(), self._floor
        if now < self._prune_due:
            return
        self._prune_due = now + PRUNE_S
        gone, keep_since = 0, self._clock.wall() - self._keep_s
        slack_since = keep_since - self._keep_s / SLACK
        overdue = f"SELECT 1 FROM events WHERE seq <= ? AND at < ? AND {ENDED} LIMIT 1"
        if self._store.values(overdue, (floor, slack_since)):
            gone += self._store.remove(f"seq <= ? AND {BEFORE}", (floor, keep_since, keep_since))
        excess = self._store.bytes - max(cursor.bytes for cursor in self._cursors.values()) - self._keep_bytes
        if excess > 0:
            cut = self._cut(floor, excess + self._keep_bytes // 2)
            gone += self._store.remove(f"seq <= ? AND {ENDED}", (cut,))
        if gone:
            self._store.compact()

    def _cut(self, floor: int, size: int) -> int:
        """Return the sequence number up to which the oldest rows take this size, ``floor`` at most."""
        for seq, _, taken in self._store.sizes(0, floor):
            size -= taken
            if size <= 0:
                return seq
        return floor


class LogReader:
    """One named reader of an ``EventLog``: it reads on while any other is away. May be used from any thread."""

    def __init__(self, event_log: EventLog, name: str) -> None:
        self._log, self._name = event_log, name

    def next(self, limit: int, wait_s: float = 0.0) -> list[Record]:
        """Return the oldest revisions that are not acknowledged, at most ``limit``; wait up to ``wait_s`` for one.

        Empty where there is none, and once the log is closed. Raise ``EventLogError``.
        """
        return self._log.read(self._name, limit, wait_s)

    def acknowledge(self, up_to: int) -> None:
        """Pass the revisions up to and including this sequence number: the reader is done with them.

        A log that has been closed is left as it is, for it may be another owner's by now.
        """
        self._log.acknowledge(self._name, up_to)

    def snapshot(self) -> ReaderSnapshot:
        """Return the counters."""
        return self._log.waiting(self._name)


def _last(store: Store, event_id: str) -> tuple[bool, Event | None]:
    """Return whether an event was given up, and its last revision where it was amended: the latest row says both."""
    amended = "CASE WHEN instr(body, '\"amendments\":') THEN seq END"
    sql = f"SELECT interrupted, {amended} FROM events WHERE id = ? ORDER BY seq DESC LIMIT 1"
    for is_given_up, seq in store.values(sql, (event_id,)):
        records = store.records("WHERE seq = ?", (seq,)) if seq is not None else []
        return bool(is_given_up), records[0].event if records else None
    return False, None


def _owned(folder: Path, wait_s: float) -> int:
    """Return a descriptor that holds the folder's lock; raise ``EventLogError``."""
    try:
        make_folder(folder, 0o700)  # it holds what people said
        return hold_lock(folder / "lock", f"process {os.getpid()}", wait_s)
    except LockHeld as held:
        text = f"event log {folder} is in use by {held.note or 'another process'}"
        raise EventLogError(text, "stop the other daemon, or give this one a state folder of its own") from None
    except OSError as error:
        raise EventLogError(f"event log {folder} cannot be opened: {error.strerror}") from error


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(ids), _CHUNK):
        yield ids[first : first + _CHUNK]
