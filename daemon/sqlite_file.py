"""SQLite files of the state folder: written durably by the daemon, read by commands and the HTTP API from any process.

A commit in write-ahead mode with ``synchronous=FULL`` returns when it is on disk.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from alignment.errors import WatchwordError
from alignment.file_io import make_folder, sync_path
from workers.publish.log.database import connect

CHECKPOINTS, CHECKPOINT_S = 50, 0.1  # tries to empty the write-ahead log, while others read for moments


class SqliteFile:
    """The file at ``path``, opened for each use, as several processes use it; it need not exist.

    Methods raise ``failure``, whose message says that ``what`` cannot be read or written.
    """

    def __init__(self, path: Path, schema: str, version: int, failure: type[WatchwordError], what: str) -> None:
        self._path, self._schema, self._version = path, schema, version
        self._failure, self._what = failure, what

    @property
    def exists(self) -> bool:
        """Return whether anything was written yet."""
        return self._path.exists()

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection that writes."""
        with self._failing(), closing(open_file(self._path, self._schema, self._version)) as connection:
            yield connection

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection for changes that are all made, on disk, or none."""
        with self.opened() as connection, transaction(connection):
            yield connection

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a query yields; nothing where there are no tables yet."""
        if not self.exists:
            return []
        with self._failing(), closing(connect(self._path, "?mode=ro")) as connection:
            return connection.execute(sql, values).fetchall() if user_version(connection) else []

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._failure(unusable(self._what, self._path.parent, error)) from error


def open_file(path: Path, schema: str, version: int) -> sqlite3.Connection:
    """Return a connection that writes, to a file that is made where there is none, with the tables of ``schema``.

    Raise ``sqlite3.Error``, also for a file of a newer version, and ``OSError``.
    """
    make_folder(path.parent, 0o700)
    is_new = not path.exists()
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    connection = connect(path)
    try:
        for setting in ("secure_delete = ON", "temp_store = MEMORY", "journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {setting}")
        if (known := user_version(connection)) > version:
            raise sqlite3.DatabaseError(f"another version wrote it ({known}, not {version}): install that again")
        if not known:
            with transaction(connection):
                for statement in schema.split(";")[:-1] if not user_version(connection) else ():
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {version}")
    except BaseException:
        connection.close()
        raise
    if is_new:
        sync_path(path.parent)
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Yield a connection for changes that are all made, on disk, or none. Raise ``sqlite3.Error``."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself undoes some
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def rewrite(connection: sqlite3.Connection) -> None:
    """Vacuum the file: no byte of a deleted row stays in it. Raise ``sqlite3.Error`` if another process still reads."""
    connection.execute("VACUUM")
    for _ in range(CHECKPOINTS):
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy:
            return
        time.sleep(CHECKPOINT_S)
    raise sqlite3.OperationalError("another process is reading it")


def user_version(connection: sqlite3.Connection) -> int:
    """Return the version of the tables in a file, 0 before there are any."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def unusable(what: str, folder: Path, error: sqlite3.Error | OSError) -> str:
    """Return the message of our error for one of SQLite or the system."""
    cause: Any = error.strerror if isinstance(error, OSError) else error
    return f"{what} in {folder} cannot be read or written: {cause or error}"
