"""The SQLite file of alerts: opened by the daemon, by commands, and by the HTTP API, each with connections of its own.

A commit in write-ahead mode with ``synchronous=FULL`` returns when it is on disk.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import structlog

from alignment.errors import WatchwordError
from alignment.file_io import make_folder, sync_path
from daemon.sqlite_file import unusable, user_version
from workers.publish.log.database import connect, is_damage

NAME = "outbox.db"
ASIDE = "damaged.db"
SUFFIXES = ("", "-wal", "-shm", "-journal")
VERSION = 1

# ``alerts``: one row for each event and target. ``messages``: what is sent; several alerts may share a message. The
# ``subject`` is the event id of an end or a clip, and the name of the event that others must have to join a group.
# ``events``: the last revision of each event with an alert. ``retained``: topics of which a broker keeps the last
# message, with the event that it shows.
SCHEMA = """
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
  id TEXT PRIMARY KEY, camera TEXT NOT NULL, event TEXT NOT NULL, at REAL NOT NULL, ended INTEGER NOT NULL,
  body TEXT NOT NULL
);
CREATE TABLE messages (
  id TEXT PRIMARY KEY, target TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL,
  created REAL NOT NULL, due REAL NOT NULL, deadline REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  in_flight INTEGER NOT NULL DEFAULT 0, doubtful INTEGER NOT NULL DEFAULT 0, plain INTEGER NOT NULL DEFAULT 0,
  delivered REAL, error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX due ON messages (target, due) WHERE state = 'pending';
CREATE TABLE alerts (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, event_id TEXT NOT NULL, camera TEXT NOT NULL, event TEXT NOT NULL,
  target TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', at REAL NOT NULL, message TEXT
);
CREATE INDEX of_event ON alerts (event_id);
CREATE INDEX of_message ON alerts (message);
CREATE INDEX by_at ON alerts (at);
CREATE INDEX delivered ON alerts (target, camera, event, at) WHERE state = 'delivered';
CREATE TABLE mutes (
  camera TEXT NOT NULL, event TEXT NOT NULL, until REAL NOT NULL, PRIMARY KEY (camera, event)
) WITHOUT ROWID;
CREATE TABLE retained (
  target TEXT NOT NULL, topic TEXT NOT NULL, event_id TEXT NOT NULL, PRIMARY KEY (target, topic)
) WITHOUT ROWID;
"""

log = structlog.get_logger()


class AlertStoreError(WatchwordError):
    """The database of alerts cannot be read or written. No alert is lost: events wait in the event log."""

    code = "alert_store_failed"
    retryable = True
    remedy = "check the disk and the rights of the state folder"


def open_database(folder: Path) -> sqlite3.Connection:
    """Return a connection that writes, to a file that is made where there is none; raise ``AlertStoreError``.

    A damaged file is put aside: what it held is lost, and logged.
    """
    try:
        make_folder(folder, 0o700)
        try:
            return _opened(folder / NAME)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            _put_aside(folder, error)
            return _opened(folder / NAME)
    except (sqlite3.Error, OSError) as error:
        raise store_error(folder, error) from error


def open_existing(folder: Path) -> sqlite3.Connection:
    """Return a connection that writes, for a process beside the daemon; raise ``sqlite3.Error``."""
    connection = connect(folder / NAME, "?mode=rw")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection | None]:
    """Yield a connection that only reads, None where there is no file; raise ``AlertStoreError``."""
    if not (folder / NAME).exists():
        yield None
        return
    try:
        with closing(connect(folder / NAME, "?mode=ro")) as connection:
            yield connection if _version(connection) else None
    except sqlite3.Error as error:
        raise store_error(folder, error) from error


def store_error(folder: Path, error: sqlite3.Error | OSError) -> AlertStoreError:
    """Return our error for one of SQLite or the system."""
    return AlertStoreError(unusable("alerts", folder, error))


def _opened(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    connection = connect(path)
    try:
        for setting in ("secure_delete = ON", "temp_store = MEMORY", "journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {setting}")
        if not _version(connection):
            connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        else:
            problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if problem != "ok":
                error = sqlite3.DatabaseError(problem)
                error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise error
    except BaseException:
        connection.close()
        raise
    sync_path(path.parent)
    return connection


def _version(connection: sqlite3.Connection) -> int:
    version = user_version(connection)
    if version > VERSION:
        hint = "install the newer version again, or move the folder away"
        raise AlertStoreError(f"alerts were written by another version ({version}, not {VERSION})", hint)
    return version


def _put_aside(folder: Path, error: sqlite3.DatabaseError) -> None:
    for suffix in SUFFIXES:
        with suppress(FileNotFoundError):
            os.replace(folder / f"{NAME}{suffix}", folder / f"{ASIDE}{suffix}")
    text = "the database of alerts is damaged and was renamed to damaged.db: alerts that waited in it are lost"
    log.error(text, folder=str(folder), error=str(error), at=time.time())
