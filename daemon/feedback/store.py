"""The SQLite file of feedback: opened by the daemon, by commands, and by the HTTP API, each on its own."""

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from alignment.errors import WatchwordError
from daemon.feedback.types import Choice, Click, Version
from daemon.sqlite_file import SqliteFile, rewrite

NAME = "feedback.db"
VERSION = 1
MOST_VERSIONS = 20  # of one event; the oldest are dropped

SCHEMA = """
CREATE TABLE clicks (
  event_id TEXT PRIMARY KEY, camera TEXT NOT NULL, event TEXT NOT NULL, key TEXT NOT NULL,
  verdict TEXT NOT NULL, at REAL NOT NULL, samples BLOB NOT NULL, body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX of_event ON clicks (event, at);
CREATE TABLE versions (
  event TEXT NOT NULL, number INTEGER NOT NULL, key TEXT NOT NULL, at REAL NOT NULL,
  digest TEXT NOT NULL, report TEXT NOT NULL, head BLOB NOT NULL, PRIMARY KEY (event, number)
) WITHOUT ROWID;
CREATE TABLE choices (event TEXT PRIMARY KEY, version INTEGER NOT NULL, held INTEGER NOT NULL) WITHOUT ROWID;
"""
_CLICK = "event_id, camera, event, key, verdict, at, samples, body"
_VERSION = "event, number, key, at, digest, report"


class FeedbackStoreError(WatchwordError):
    """The database of feedback cannot be read or written. Events and alerts go on without it."""

    code = "feedback_store_failed"
    retryable = True
    remedy = "check the disk and the rights of the state folder"


class FeedbackStore:
    """The feedback below a state folder; empty where there is none. Methods raise ``FeedbackStoreError``."""

    def __init__(self, folder: Path) -> None:
        self._file = SqliteFile(folder / NAME, SCHEMA, VERSION, FeedbackStoreError, "feedback")

    @property
    def exists(self) -> bool:
        """Return whether anybody has clicked yet."""
        return self._file.exists

    def judge(self, click: Click) -> None:
        """Keep a click, in place of an earlier one on the same event."""
        with self._file.changing() as connection:
            values = (
                click.event_id,
                click.camera,
                click.event,
                click.key,
                click.verdict,
                click.at,
                click.samples,
                click.body,
            )
            connection.execute(f"INSERT OR REPLACE INTO clicks ({_CLICK}) VALUES (?,?,?,?,?,?,?,?)", values)

    def take_back(self, event_ids: Collection[str]) -> None:
        """Remove clicks; heads that were made of them stay until ``drop``."""
        with self._file.changing() as connection:
            connection.executemany("DELETE FROM clicks WHERE event_id = ?", [(i,) for i in event_ids])

    def click(self, event_id: str) -> Click | None:
        """Return the click on an event."""
        found = self._file.rows(f"SELECT {_CLICK} FROM clicks WHERE event_id = ?", event_id)
        return Click(*found[0]) if found else None

    def clicks(self, event: str | None = None) -> list[Click]:
        """Return the clicks on events of one kind, or on all, oldest first."""
        where, values = ("WHERE event = ?", (event,)) if event is not None else ("", ())
        rows = self._file.rows(f"SELECT {_CLICK} FROM clicks {where} ORDER BY at, event_id", *values)
        return [Click(*row) for row in rows]

    def add(self, version: Version, head: bytes) -> None:
        """Keep a new head in shadow; the oldest ones are dropped, but not the one in force."""
        with self._file.changing() as connection:
            values = (
                version.event,
                version.number,
                version.key,
                version.at,
                version.digest,
                json.dumps(version.report),
                head,
            )
            connection.execute(f"INSERT INTO versions ({_VERSION}, head) VALUES (?,?,?,?,?,?,?)", values)
            connection.execute(
                "DELETE FROM versions WHERE event = ? AND number <= ? AND number NOT IN "
                "(SELECT version FROM choices WHERE event = ?)",
                (version.event, version.number - MOST_VERSIONS, version.event),
            )

    def versions(self, event: str) -> list[Version]:
        """Return the heads of an event, the newest first."""
        rows = self._file.rows(f"SELECT {_VERSION} FROM versions WHERE event = ? ORDER BY number DESC", event)
        return [Version(name, number, key, at, digest, json.loads(doc)) for name, number, key, at, digest, doc in rows]

    def head(self, event: str, number: int) -> bytes | None:
        """Return a head's file."""
        found = self._file.rows("SELECT head FROM versions WHERE event = ? AND number = ?", event, number)
        return bytes(found[0][0]) if found else None

    def choice(self, event: str) -> Choice:
        """Return which head of an event is in force."""
        found = self._file.rows("SELECT version, held FROM choices WHERE event = ?", event)
        return Choice(int(found[0][0]), bool(found[0][1])) if found else Choice()

    def choose(self, event: str, choice: Choice) -> None:
        """Put a head into force; the daemon gives it to the cameras."""
        with self._file.changing() as connection:
            connection.execute("INSERT OR REPLACE INTO choices VALUES (?,?,?)", (event, choice.version, choice.held))

    def events(self) -> list[str]:
        """Return the names of events with clicks, heads or a choice."""
        sql = "SELECT event FROM clicks UNION SELECT event FROM versions UNION SELECT event FROM choices ORDER BY 1"
        return [row[0] for row in self._file.rows(sql)]

    def erase(self, event_ids: Collection[str]) -> None:
        """Erase clicks and every head that may have been made of them, without leaving a byte of it."""
        with self._file.changing() as connection:
            for event_id in event_ids:
                sql = "DELETE FROM {} WHERE event IN (SELECT event FROM clicks WHERE event_id = ?)"
                for table in ("versions", "choices"):
                    connection.execute(sql.format(table), (event_id,))
                connection.execute("DELETE FROM clicks WHERE event_id = ?", (event_id,))
        with self._file.opened() as connection:
            rewrite(connection)

    @contextmanager
    def watching(self) -> Iterator[Callable[[], int]]:
        """Yield a function whose result changes with every commit of any process."""
        with self._file.opened() as connection:
            yield lambda: int(connection.execute("PRAGMA data_version").fetchone()[0])
