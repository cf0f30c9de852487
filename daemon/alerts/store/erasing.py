"""Removal of alerts: of events that are to be forgotten, and past their retention. From any process."""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from daemon.alerts.store.database import ASIDE, NAME, SUFFIXES, open_existing, reading, store_error
from daemon.alerts.store.retained import ERASED
from daemon.alerts.types import FOLLOWING
from daemon.sqlite_file import rewrite, transaction
from workers.events.event import Event

CHUNK = 256  # ids in one statement


class AlertEraser:
    """Erases in the outbox in ``folder``. Methods raise ``AlertStoreError``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def events(self) -> Iterator[Event]:
        """Yield the events about which there are alerts."""
        with reading(self._folder) as connection:
            for (body,) in connection.execute("SELECT body FROM events") if connection else ():
                with suppress(ValueError):  # of a later version
                    yield Event.from_json(body)

    def known(self, ids: Collection[str]) -> list[str]:
        """Return those of the ids about which anything is here; a damaged file may hold anything."""
        with reading(self._folder) as connection:
            sql = "SELECT id FROM events UNION SELECT event_id FROM alerts"
            found = {str(row[0]) for row in connection.execute(sql)} if connection else set()
        aside = [ASIDE] if ids and (self._folder / ASIDE).exists() else []
        return sorted(found.intersection(ids)) + aside

    def erase(self, ids: Collection[str]) -> None:
        """Erase everything about events, without leaving a byte of it."""
        with self._changing() as connection:
            if connection is None:
                return
            with transaction(connection):
                for event_id in ids:
                    _erase(connection, event_id)
                _drop_empty(connection)
            rewrite(connection)
        self._remove_aside()

    def expire(self, since: float) -> int:
        """Erase what is about events from before a Unix time; return how many events."""
        with self._changing() as connection:
            if connection is None:
                return 0
            with transaction(connection):
                rows = connection.execute("SELECT id FROM events WHERE at < ? LIMIT 2000", (since,)).fetchall()
                for (event_id,) in rows:
                    _erase(connection, event_id)
                _drop_empty(connection)
                connection.execute("DELETE FROM mutes WHERE until < ?", (since,))
            return len(rows)

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection | None]:
        if not (self._folder / NAME).exists():
            yield None
            return
        try:
            with closing(open_existing(self._folder)) as connection:
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise store_error(self._folder, error) from error

    def _remove_aside(self) -> None:
        for suffix in SUFFIXES:
            (self._folder / f"{ASIDE}{suffix}").unlink(missing_ok=True)


def _erase(connection: sqlite3.Connection, event_id: str) -> None:
    for table, column in (("alerts", "event_id"), ("events", "id"), ("messages", "subject")):
        connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (event_id,))
    connection.execute("UPDATE retained SET event_id = ? WHERE event_id = ?", (ERASED, event_id))


def _drop_empty(connection: sqlite3.Connection) -> None:
    """Remove messages that are about nothing any more."""
    connection.execute(
        f"DELETE FROM messages WHERE kind NOT IN {FOLLOWING} "
        "AND NOT EXISTS (SELECT 1 FROM alerts WHERE message = messages.id)"
    )
