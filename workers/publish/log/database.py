"""The SQLite file of an event log: how it is opened, written durably, and read from any process.

A commit in write-ahead mode with ``synchronous=FULL`` returns when it is on disk. ``secure_delete`` overwrites what is
deleted, but SQLite leaves copies of rows behind in pages that it has rearranged: only ``compact`` removes every byte.
"""

import functools
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from alignment.file_io import sync_path
from workers.errors import EventLogError, EventLogFull
from workers.publish.disk import FULL, write_error
from workers.publish.log.records import Row

NAME = "log.db"
SUFFIXES = ("", "-wal", "-shm")
BUSY_S = 10.0
VERSION = 1
ROOM_BYTES = 1 << 16  # far more than SQLite writes to open a file
_PAGE = 4096

SCHEMA = """
CREATE TABLE events (
  seq INTEGER PRIMARY KEY, at REAL NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL, type TEXT NOT NULL,
  camera TEXT NOT NULL, event TEXT NOT NULL, start_s REAL NOT NULL, end_s REAL NOT NULL, score REAL NOT NULL,
  live INTEGER NOT NULL, interrupted INTEGER NOT NULL, body TEXT NOT NULL, checksum INTEGER NOT NULL
);
CREATE INDEX by_id ON events (id);
CREATE INDEX by_camera ON events (camera);
CREATE INDEX live_starts ON events (id) WHERE live AND type = 'new';
CREATE INDEX live_ends ON events (id) WHERE live AND type = 'end';
CREATE INDEX given_up ON events (id) WHERE interrupted;
CREATE TABLE readers (name TEXT PRIMARY KEY, cursor INTEGER NOT NULL) WITHOUT ROWID;
"""

# The events of live streams that have begun and have not ended.
OPEN = (
    "SELECT id FROM events WHERE live AND type = 'new' "
    "AND id NOT IN (SELECT id FROM events WHERE live AND type = 'end')"
)
# Rows of events that are not open.
ENDED = f"id NOT IN ({OPEN})"
# Of these, the rows accepted before a Unix time (twice the parameter). The end of an event whose beginning stays must
# stay as well, as after a step of the clock: without its end the event would be open again.
BEFORE = f"at < ? AND {ENDED} AND NOT (type = 'end' AND id IN (SELECT id FROM events WHERE type = 'new' AND at >= ?))"


class Damaged(sqlite3.DatabaseError):
    """The file is no whole database."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


class Database:
    """The one connection that writes, to the file in ``folder``; not thread-safe. Methods raise ``sqlite3.Error``.

    ``shared`` is False for a file that was opened on a full disk: SQLite then has no room for the index that it shares
    with other processes, and keeps the file to itself. What is there can be read; ``Database`` is to be opened again.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.path, self.shared = folder / NAME, True
        self._max_pages = max(1, max_bytes // _PAGE)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        self._file = self._identity()
        try:
            self.connection = self._opened()
        except sqlite3.OperationalError:
            if write_error(folder, ROOM_BYTES) is None or not self.path.stat().st_size:
                raise
            self.shared = False
            self.connection = self._opened()
        sync_path(folder)

    @property
    def in_place(self) -> bool:
        """Return whether the file that is written to still has its name: it may have been moved or removed."""
        return self._identity() == self._file

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Return what a query yields."""
        return self.connection.execute(sql, values).fetchall()

    def change(self, sql: str, rows: Sequence[Row], durable: bool = True) -> None:
        """Run a statement with each row of values, in one transaction that is undone on an error.

        ``durable``: it is on disk on return. Otherwise a loss of power may undo it, and all that comes after.
        """
        run = self.connection.execute
        run(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        run("BEGIN IMMEDIATE")
        try:
            self.connection.executemany(sql, rows)
            run("COMMIT")
        except BaseException:
            if self.connection.in_transaction:  # SQLite itself undoes some
                with suppress(sqlite3.Error):
                    run("ROLLBACK")
            raise

    def compact(self) -> None:
        """Write the whole file anew, without a byte of what was deleted, and cut the write-ahead log to nothing.

        Needs as much memory, and room on disk, as the rows take that are left.
        """
        try:
            self.connection.execute("VACUUM")
        finally:
            (busy, *_) = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("another process is reading it")
        sync_path(self.path.with_name(f"{NAME}-wal"))  # SQLite does not sync that it is empty now

    def close(self) -> None:
        """Close the connection; the last one of a file removes the write-ahead log."""
        self.connection.close()

    def _opened(self) -> sqlite3.Connection:
        connection = connect(self.path)
        try:
            run = connection.execute
            if not self.shared:
                run("PRAGMA locking_mode = EXCLUSIVE")
            run("PRAGMA secure_delete = ON")
            run("PRAGMA temp_store = MEMORY")  # what VACUUM copies leaves no trace in another folder
            run("PRAGMA journal_mode = WAL")
            run(f"PRAGMA max_page_count = {self._max_pages}")
            _require_whole(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self.path)
        except OSError:
            return None
        return status.st_dev, status.st_ino


@contextmanager
def read_only(folder: Path) -> Iterator[sqlite3.Connection | None]:
    """Yield a connection that only reads, None if there is no log; any process may have one, besides the writer.

    Raise ``EventLogError``.
    """
    path = folder / NAME
    if not path.exists():
        yield None
        return
    try:
        with closing(connect(path, "?mode=ro")) as connection:
            yield connection if _version(connection) else None
    except sqlite3.Error as error:
        raise failure(error, folder, "read") from error


def failure(error: sqlite3.Error | OSError, folder: Path, action: str, room: int = ROOM_BYTES) -> EventLogError:
    """Return our error for SQLite's, with what the system says to a plain write of ``room`` bytes there."""
    cause = error if isinstance(error, OSError) else write_error(folder, room)
    is_full = primary_code(error) == sqlite3.SQLITE_FULL or (cause is not None and cause.errno in FULL)
    if is_full and cause is None:
        return EventLogFull(f"event log {folder} is full: its size cap is reached")
    text = f"event log {folder} cannot be {action}: {(cause and cause.strerror) or error}"
    return (EventLogFull if is_full else EventLogError)(text)


def primary_code(error: Exception) -> int:
    """Return SQLite's primary result code, 0 for another error."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error says that the file is no whole database."""
    return primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def connect(path: Path, options: str = "") -> sqlite3.Connection:
    """Return a connection for any thread, in which every statement is a transaction unless one is begun."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}{options}", timeout=BUSY_S, isolation_level=None, check_same_thread=False, uri=True
    )
    connection.text_factory = functools.partial(str, encoding="utf-8", errors="replace")  # of a damaged row as well
    return connection


def _version(connection: sqlite3.Connection) -> int:
    """Return the version of the tables, 0 for an empty file."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        hint = "let the version that wrote it publish what waits, or move the folder away"
        raise EventLogError(f"the event log was written by another version ({version}, not {VERSION})", hint)
    return version


def _require_whole(connection: sqlite3.Connection) -> None:
    """Make the tables of a new file; raise ``Damaged`` for a file whose structure is damaged."""
    if not _version(connection):
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        return
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise Damaged(problem)
