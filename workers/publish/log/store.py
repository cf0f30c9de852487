"""The rows of the event log: written all or none, read back with their checksums, removed without a trace.

A damaged file is repaired by the first call that meets the damage: ``generation`` then grows.
"""

import errno
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import structlog

from workers.errors import EventLogError, EventLogFull
from workers.publish.disk import write_error
from workers.publish.log.database import ROOM_BYTES, Database, failure, is_damage
from workers.publish.log.records import COLUMNS, Record, Row, from_row, is_whole, size_of
from workers.publish.log.repair import finish, repair

log = structlog.get_logger()
T = TypeVar("T")

_INSERT = f"INSERT INTO events VALUES ({', '.join('?' * len(COLUMNS))})"
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM events"
_SIZE = "length(body) + 150"  # as ``records.size_of``


class Store:
    """The rows in ``folder``. Not thread-safe. Every method raises ``EventLogError`` where it cannot do its work."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.bytes = 0  # of all rows
        self.damaged = 0  # rows and files that could not be read back
        self.generation = 0  # grows when rows are lost by damage
        self.last = 0  # the highest sequence number that is known
        self._folder, self._max_bytes = folder, max_bytes
        self._database: Database | None = None  # None: closed, or the disk had no room for it yet
        self._is_closed = False

    def open(self) -> None:
        """Open the file, and repair it where it is damaged."""
        try:
            finish(self._folder)
            try:
                self._load(Database(self._folder, self._max_bytes))
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self._repair(error)
        except (sqlite3.Error, OSError) as error:
            raise failure(error, self._folder, "opened") from error

    def insert(self, rows: Sequence[Row], make_room: Callable[[], bool]) -> None:
        """Insert rows, all or none; return when they are on disk.

        As long as the log is full, ``make_room`` is called, which returns whether it has removed any row.
        """
        size = sum(map(size_of, rows))
        while True:
            try:
                self._run("written", lambda db: db.change(_INSERT, rows), room=ROOM_BYTES + 2 * size)
                break
            except EventLogFull:
                if not make_room():
                    raise
        self.bytes += size
        self.last = max(self.last, *(int(row[0]) for row in rows))

    def records(self, rest: str, values: Sequence[object] = (), every: bool = True) -> list[Record]:
        """Return the records that ``SELECT … FROM events`` and ``rest`` find; remove those that are damaged.

        A row whose checksum is right, but which is no event, was written by another version: ``EventLogError``, or a
        warning where not ``every`` one is needed. It is never removed.
        """
        while True:
            rows = self._run("read", lambda db: db.rows(f"{_SELECT} {rest}", values), write=False) or []
            found = [from_row(row) for row in rows]
            unread = [row for row, record in zip(rows, found, strict=True) if record is None]
            lost = [int(row[0]) for row in unread if not is_whole(row)]
            if lost:
                self._remove_damaged(lost)
                continue
            if unread and every:
                text = f"revision {unread[0][0]} in the event log {self._folder} was written by another version"
                raise EventLogError(text, "let that version publish what waits, or move the folder away")
            if unread:
                log.warning("events of another version are open, and will not be ended", count=len(unread))
            return [record for record in found if record is not None]

    def values(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Return what a query yields; nothing as long as there is no file."""
        return self._run("read", lambda db: db.rows(sql, values), write=False) or []

    def sizes(self, after: int, up_to: int = 1 << 62) -> list[tuple[int, float, int]]:
        """Return sequence number, time of acceptance (Unix seconds) and size of the rows of a range, in order."""
        sql = f"SELECT seq, at, {_SIZE} FROM events WHERE seq > ? AND seq <= ? ORDER BY seq"
        return [(int(seq), float(at), int(size)) for seq, at, size in self.values(sql, (after, up_to))]

    def remove(self, where: str, values: Sequence[object]) -> int:
        """Remove rows; return how many."""
        chosen = f"SELECT seq, {_SIZE} FROM events WHERE {where}"
        rows = self.values(chosen, values)
        if rows:
            delete = [(row[0],) for row in rows]
            self._run("erased from", lambda db: db.change("DELETE FROM events WHERE seq = ?", delete))
            self.bytes -= sum(int(row[1]) for row in rows)
        return len(rows)

    def compact(self) -> None:
        """Write the file anew, so that no byte of what was removed is left in it."""
        self._run("rewritten", lambda db: db.compact(), room=2 * self.bytes)

    def save_cursors(self, cursors: Mapping[str, int]) -> None:
        """Write down up to where readers have acknowledged; not synced."""
        sql = "INSERT INTO readers VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor"
        self._run("written", lambda db: db.change(sql, list(cursors.items()), durable=False))

    def close(self) -> None:
        """Close the file for good."""
        self._is_closed = True
        self._release()

    def _release(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _load(self, database: Database) -> None:
        """Take over a database: count its rows, and remove those whose content is damaged."""
        self._database, self.bytes, lost = database, 0, []
        for row in database.connection.execute(f"{_SELECT} ORDER BY seq"):
            self.last = max(self.last, row[0])
            if is_whole(row):
                self.bytes += size_of(row)
            else:
                lost.append(row[0])
        for (cursor,) in database.rows("SELECT cursor FROM readers"):
            self.last = max(self.last, cursor)
        if lost:
            self._remove_damaged(lost)

    def _remove_damaged(self, numbers: Sequence[int]) -> None:
        self.damaged += len(numbers)
        self.generation += 1
        log.error("damaged revisions in the event log were dropped", folder=str(self._folder), revisions=len(numbers))
        delete = [(number,) for number in numbers]
        self._run("erased from", lambda db: db.change("DELETE FROM events WHERE seq = ?", delete))

    def _repair(self, error: sqlite3.Error) -> None:
        """Replace a damaged file by what can be read of it; raise ``sqlite3.Error`` or ``OSError``."""
        self._release()
        saved = repair(self._folder)
        self.damaged += 1
        self.generation += 1
        text = "the event log is damaged: what can be read is kept, and the file is renamed to damaged.db"
        log.error(text, folder=str(self._folder), error=str(error), revisions_kept=saved)
        self._load(Database(self._folder, self._max_bytes))

    def _run(self, action: str, work: Callable[[Database], T], write: bool = True, room: int = ROOM_BYTES) -> T | None:
        """Return what ``work`` does with the database; if that is damaged, repair it and try once more.

        None where there is no file yet, and ``work`` only reads.
        """
        try:
            try:
                database = self._usable(write)
                return work(database) if database else None
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self._repair(error)
                database = self._usable(write)
                return work(database) if database else None
        except (sqlite3.Error, OSError) as error:
            raise failure(error, self._folder, action, room) from error

    def _usable(self, write: bool) -> Database | None:
        """Return the database; before it is written to, one that was opened on a full disk is opened again."""
        if self._is_closed:
            raise EventLogError(f"event log {self._folder} is closed", "publish before the daemon has drained")
        if write and (self._database is None or not self._database.shared):
            problem = write_error(self._folder, ROOM_BYTES)
            if problem is not None:
                raise problem
            self._release()
            self.open()
        if write and self._database is not None and not self._database.in_place:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self._database
