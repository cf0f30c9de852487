"""A damaged event log: what of it can be read goes into a new file, and the damaged one is kept aside."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from alignment.file_io import sync_path
from workers.publish.log.database import NAME, SCHEMA, SUFFIXES, VERSION, connect
from workers.publish.log.records import COLUMNS, Row, is_whole

ASIDE = "damaged.db"
_NEW = "repaired.db"
_GAP = 5000  # sequence numbers behind the last row that can be read, in which another one is looked for
_SINGLY = 100  # of these so many one by one, the others in steps of ten: a page of the tree itself may be damaged


def repair(folder: Path) -> int:
    """Put a new file in the place of a damaged one, which is kept as ``damaged.db``; return how many rows were saved.

    A crash at any point leaves the damaged file to be repaired again, or the whole new one. Raise ``sqlite3.Error`` or
    ``OSError``.
    """
    _remove(folder, _NEW)
    new = folder / _NEW
    os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with closing(connect(new)) as to, closing(connect(folder / NAME)) as damaged:
        to.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION};")
        marks = ", ".join("?" * len(COLUMNS))
        saved = to.executemany(f"INSERT INTO events VALUES ({marks})", _readable(damaged)).rowcount
        with suppress(sqlite3.DatabaseError):  # without them every reader begins at the beginning
            to.executemany("INSERT INTO readers VALUES (?, ?)", damaged.execute("SELECT name, cursor FROM readers"))
        to.execute("COMMIT")
    _remove(folder, ASIDE)
    sync_path(folder)
    os.replace(folder / NAME, folder / ASIDE)
    finish(folder)
    return max(saved, 0)


def finish(folder: Path) -> None:
    """Finish a repair that a crash has cut off after the damaged file was moved away; else undo one."""
    if not (folder / _NEW).exists():
        return
    if not (folder / NAME).exists():
        for suffix in SUFFIXES[1:]:
            with suppress(FileNotFoundError):
                os.replace(folder / f"{NAME}{suffix}", folder / f"{ASIDE}{suffix}")
        os.replace(folder / _NEW, folder / NAME)
    _remove(folder, _NEW)
    sync_path(folder)


def remove_aside(folder: Path, before_s: float = float("inf")) -> bool:
    """Remove a damaged file that was last written before a Unix time; return whether there was one."""
    with suppress(FileNotFoundError):
        if (folder / ASIDE).stat().st_mtime < before_s:
            _remove(folder, ASIDE)
            return True
    return False


def _remove(folder: Path, name: str) -> None:
    for suffix in (*SUFFIXES, "-journal"):
        (folder / f"{name}{suffix}").unlink(missing_ok=True)


def _readable(damaged: sqlite3.Connection) -> Iterator[Row]:
    """Yield the rows that can be read and whose checksums are right, in order."""
    position, gap = 0, 0
    sql = f"SELECT {', '.join(COLUMNS)} FROM events WHERE seq > ? ORDER BY seq"
    while gap < _GAP:
        try:
            for row in damaged.execute(sql, (position,)):
                position, gap = row[0], 0
                if is_whole(row):
                    yield row
            return
        except sqlite3.DatabaseError:
            step = 1 if gap < _SINGLY else 10
            position, gap = position + step, gap + step
