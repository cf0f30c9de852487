"""What the tests of the event log share."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.support.events import make_event
from workers.clock import SystemClock
from workers.publish.log.event_log import EventLog, LogReader


class FixedClock(SystemClock):
    """A clock that only the test moves."""

    now = 1000.0
    stepped = 0.0

    def wall(self) -> float:
        return self.now + self.stepped

    def monotonic(self) -> float:
        return 7e6 + self.now


@contextmanager
def opened(folder: Path, **options: Any) -> Iterator[tuple[EventLog, LogReader]]:
    """Yield an event log, and its reader for Redis."""
    log = EventLog(folder, **options)
    try:
        yield log, log.reader("redis")
    finally:
        log.close()


def waiting(reader: LogReader) -> list[str]:
    return [record.event.id for record in reader.next(10_000)]


def events(*numbers: int) -> list:
    return [make_event(n) for n in numbers]


def ids(*numbers: int) -> list[str]:
    return [make_event(n).id for n in numbers]


def as_killed(folder: Path, to: Path) -> Path:
    """Copy the files of a log that is open, as a kill of its process would leave them."""
    return Path(shutil.copytree(folder, to, dirs_exist_ok=True))


def change(folder: Path, sql: str, *values: object) -> None:
    """Change the database of a log that nobody has open."""
    with closing(sqlite3.connect(folder / "log.db")) as connection, connection:
        assert connection.execute(sql, values).rowcount > 0


def residue(folder: Path, text: str) -> list[str]:
    """Return which files below a folder hold a text."""
    return [p.name for p in folder.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]
