"""The daemon's one connection to the outbox, shared by the thread that decides and those that deliver."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daemon.alerts.store.database import AlertStoreError, open_database, store_error
from daemon.sqlite_file import transaction

Row = tuple[Any, ...]


class Session:
    """A connection for any thread, one at a time, opened when it is first needed. Methods raise ``AlertStoreError``."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._mutex = folder, threading.RLock()
        self._opened: sqlite3.Connection | None = None
        self._is_closed = False

    @property
    def _connection(self) -> sqlite3.Connection:
        """Return the connection; on a disk that was full there is none at first."""
        if self._is_closed:
            raise AlertStoreError("alerts are not written any more", "the daemon is about to end")
        if self._opened is None:
            self._opened = open_database(self._folder)
        return self._opened

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection for changes that are all made, on disk, or none."""
        with self._mutex:
            try:
                with transaction(self._connection) as connection:
                    yield connection
            except (sqlite3.Error, OSError) as error:
                raise store_error(self._folder, error) from error

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Return what a query yields."""
        with self._mutex:
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise store_error(self._folder, error) from error

    def close(self) -> None:
        """Close the connection for good."""
        with self._mutex:
            self._is_closed = True
            if self._opened is not None:
                self._opened.close()
                self._opened = None
