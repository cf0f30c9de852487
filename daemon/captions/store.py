"""The SQLite file of captions: written by the daemon, read by searches and the HTTP API from any process."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from alignment.errors import WatchwordError
from daemon.captions.types import Described
from daemon.sqlite_file import SqliteFile, rewrite, transaction

NAME = "captions.db"
VERSION = 1
LEAST_SHARE = 0.6  # of the words that are looked for

SCHEMA = """
CREATE TABLE captions (
  id INTEGER PRIMARY KEY, owner TEXT NOT NULL, number INTEGER NOT NULL, camera TEXT NOT NULL, since REAL NOT NULL,
  until REAL NOT NULL, body TEXT NOT NULL, words TEXT NOT NULL, UNIQUE (owner, number)
);
CREATE VIRTUAL TABLE terms USING fts5(words, content='captions', content_rowid='id', tokenize='porter unicode61');
"""
_UNSPACED = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")  # Chinese and Japanese


class CaptionStoreError(WatchwordError):
    """The database of captions cannot be read or written. Events and alerts go on without it."""

    code = "caption_store_failed"
    retryable = True
    remedy = "check the disk and the rights of the state folder"


@dataclass(frozen=True, slots=True)
class Owner:
    """An event or upload with a caption, and when it happened or was watched, Unix seconds."""

    id: str
    camera: str
    since: float
    until: float


class CaptionStore:
    """The captions below a state folder; empty where there are none. Methods raise ``CaptionStoreError``."""

    def __init__(self, folder: Path) -> None:
        self._file = SqliteFile(folder / NAME, SCHEMA, VERSION, CaptionStoreError, "captions")

    def add(self, described: Described) -> None:
        """Keep a text for good; one that is there of the same owner and number stays."""
        words = _spaced(described.words)
        place = (described.owner, described.number, described.camera, described.since, described.until)
        with self._file.changing() as connection:
            sql = (
                "INSERT OR IGNORE INTO captions (owner, number, camera, since, until, body, words) "
                "VALUES (?,?,?,?,?,?,?)"
            )
            done = connection.execute(sql, (*place, described.to_json(), words))
            if done.rowcount:
                connection.execute("INSERT INTO terms (rowid, words) VALUES (?,?)", (done.lastrowid, words))

    def of(self, owner: str) -> list[Described]:
        """Return the texts of an event or upload, that of the whole first, then its chapters in order."""
        rows = self._file.rows("SELECT body FROM captions WHERE owner = ? ORDER BY number", owner)
        return [Described.from_json(body) for (body,) in rows]

    def complete(self) -> set[str]:
        """Return the events and uploads of which nothing is missing: the whole is written last."""
        return {owner for (owner,) in self._file.rows("SELECT owner FROM captions WHERE number = 0")}

    def owners(self) -> list[Owner]:
        """Return all events and uploads with a text."""
        sql = "SELECT owner, camera, min(since), max(until) FROM captions GROUP BY owner"
        return [Owner(*row) for row in self._file.rows(sql)]

    def find(
        self,
        words: Sequence[str],
        cameras: Collection[str] | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 100,
    ) -> list[tuple[Described, float]]:
        """Return texts with most of the words, and their share of them: the highest first, then the latest.

        ``cameras`` None: of all; ``since`` and ``until``: Unix seconds.
        """
        wanted = [_phrase(word) for word in words]
        if not wanted:
            return []
        matches = " UNION ALL ".join(["SELECT rowid FROM terms WHERE terms MATCH ?"] * len(wanted))
        names = None if cameras is None else sorted(cameras)
        among = "" if names is None else f"AND camera IN ({', '.join('?' * len(names))})"
        sql = (
            f"SELECT body, count(*) AS n FROM ({matches}) AS found JOIN captions ON captions.id = found.rowid "
            f"WHERE until >= ? AND since <= ? {among} GROUP BY captions.id HAVING n >= ? ORDER BY n DESC, since DESC "
            "LIMIT ?"
        )
        times = (float("-inf") if since is None else since, float("inf") if until is None else until)
        rows = self._file.rows(sql, *wanted, *times, *(names or ()), LEAST_SHARE * len(wanted), limit)
        return [(Described.from_json(body), n / len(wanted)) for body, n in rows]

    def erase(self, owners: Collection[str]) -> None:
        """Erase all texts of events and uploads, without leaving a byte of them."""
        with self._file.opened() as connection:
            with transaction(connection):
                connection.executemany("DELETE FROM captions WHERE owner = ?", [(owner,) for owner in owners])
                connection.execute("INSERT INTO terms (terms) VALUES ('rebuild')")
            rewrite(connection)


def _spaced(text: str) -> str:
    """Return text in which each letter of a script without spaces is a word: words of it are found as phrases."""
    return _UNSPACED.sub(r" \1 ", text)


def _phrase(word: str) -> str:
    return '"' + _spaced(word).replace('"', '""') + '"'
