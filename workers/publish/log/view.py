"""Queries of the event log, from any thread and any process, while its owner writes."""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from workers.publish.log.database import NAME, OPEN, read_only
from workers.publish.log.records import COLUMNS, Record, from_row

_SELECT = f"SELECT {', '.join(COLUMNS)} FROM events AS this"
_NEWEST = "NOT EXISTS (SELECT 1 FROM events AS later WHERE later.id = this.id AND later.seq > this.seq)"


# Where a text is looked for: names, the file, the description, the caption and the words that were heard. First the
# whole body, which is quick and excludes nearly all rows.
_SAYS = """(body LIKE ? ESCAPE '!' AND json_valid(body) AND (event LIKE ? ESCAPE '!' OR camera LIKE ? ESCAPE '!'
OR json_extract(body, '$.source.file') LIKE ? ESCAPE '!' OR json_extract(body, '$.caption.text') LIKE ? ESCAPE '!'
OR EXISTS (SELECT 1 FROM json_each(body, '$.description') AS said WHERE said.value LIKE ? ESCAPE '!')
OR EXISTS (SELECT 1 FROM json_each(body, '$.evidence.words') AS heard
           WHERE json_extract(heard.value, '$.text') LIKE ? ESCAPE '!')))"""


# An event that a rule has made of those of several cameras tells about all of them.
_MADE_OF_OTHERS = """(json_valid(body) AND NOT EXISTS (SELECT 1 FROM json_each(body, '$.cameras') AS other
WHERE other.value NOT IN (SELECT value FROM json_each(?))))"""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which events to return; None: all. Times are those of acceptance, Unix seconds.

    ``cameras``: of these only, and made of events of these only. ``text``: in the names, the file, the description, the
    caption or the words heard; case counts for letters beyond ASCII only.
    """

    camera: str | None = None
    event: str | None = None
    since: float | None = None
    until: float | None = None
    cameras: frozenset[str] | None = None
    live: bool | None = None
    text: str | None = None


class LogView:
    """Reads the event log in ``folder``; empty where there is none. Damaged rows are passed over.

    Every method raises ``EventLogError`` where the file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def stamp(self) -> tuple[int, int]:
        """Return what changes whenever the log is written to: size and time of its write-ahead log.

        Cheap enough to be called many times a second. The time has steps of some milliseconds, so it may miss a write.
        """
        try:
            status = (self._folder / f"{NAME}-wal").stat()
        except OSError:
            return 0, 0
        return status.st_size, status.st_mtime_ns

    def page(self, wanted: LogQuery, limit: int, before: int | None = None) -> list[Record]:
        """Return the last revision of each of ``limit`` events, newest first, of sequence numbers below ``before``.

        Rows are read from the newest one backwards, of one camera or one event by its index, until there are enough.
        """
        terms: tuple[tuple[str, tuple[object, ...] | None], ...] = (
            ("seq < ?", _one(before)),
            ("camera = ?", _one(wanted.camera)),
            ("event = ?", _one(wanted.event)),
            ("at >= ?", _one(wanted.since)),
            ("at < ?", _one(wanted.until)),
            ("live = ?", _one(wanted.live)),
            (_among("camera", wanted.cameras or ()), None if wanted.cameras is None else tuple(sorted(wanted.cameras))),
            (_MADE_OF_OTHERS, None if wanted.cameras is None else (json.dumps(sorted(wanted.cameras)),)),
            (_SAYS, _patterns(wanted.text)),
            (_NEWEST, ()),
        )
        used = [(term, values) for term, values in terms if values is not None]
        where = " AND ".join(term for term, _ in used)
        values = (value for _, values in used for value in values)
        return list(self._records(f"WHERE {where} ORDER BY seq DESC LIMIT ?", *values, limit))

    def after(self, seq: int, limit: int) -> list[Record]:
        """Return the oldest ``limit`` revisions with sequence numbers above ``seq``, in order."""
        return list(self._records("WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit))

    def since(self, at: float) -> Iterator[Record]:
        """Yield all revisions that were accepted since a Unix time, oldest first."""
        return self._records("WHERE at >= ? ORDER BY seq", at)

    def last(self) -> int:
        """Return the highest sequence number that was given or acknowledged, 0 for an empty log.

        A number below one that was seen before says that another log lies there now.
        """
        sql = "SELECT max(coalesce((SELECT max(seq) FROM events), 0), coalesce((SELECT max(cursor) FROM readers), 0))"
        with read_only(self._folder) as connection:
            return int(connection.execute(sql).fetchone()[0]) if connection is not None else 0

    def revisions(self, event_id: str) -> list[Record]:
        """Return all revisions of an event, oldest first."""
        return list(self._records("WHERE id = ? ORDER BY seq", event_id))

    def accepted(self, camera: str, since: float, until: float) -> list[Record]:
        """Return all revisions of a camera that were accepted between two Unix times, oldest first."""
        return list(self._records("WHERE camera = ? AND at >= ? AND at < ? ORDER BY seq", camera, since, until))

    def of_source(self, camera: str, key: str, since: float, until: float) -> list[Record]:
        """Return the revisions of events of one source (``SourceInfo.key``), accepted between two Unix times."""
        segment = json.dumps(f"{key}/", ensure_ascii=False)[:-1]
        where = "WHERE camera = ? AND at >= ? AND at < ? AND instr(body, ?) ORDER BY seq"
        found = self._records(where, camera, since, until, segment)
        return [record for record in found if record.event.segment.startswith(f"{key}/")]

    def open_events(self) -> list[Record]:
        """Return the last revision of every live event that has not ended."""
        return list(self._records(f"WHERE {_NEWEST} AND id IN ({OPEN}) ORDER BY seq"))

    def all(self) -> Iterator[Record]:
        """Yield every revision, oldest first."""
        return self._records("ORDER BY seq")

    def _records(self, rest: str, *values: object) -> Iterator[Record]:
        with read_only(self._folder) as connection:
            if connection is not None:
                found = map(from_row, connection.execute(f"{_SELECT} {rest}", values))
                yield from (record for record in found if record is not None)


def _one(value: object) -> tuple[object, ...] | None:
    return None if value is None else (value,)


def _among(column: str, values: Collection[str]) -> str:
    return f"{column} IN ({', '.join('?' * len(values))})"


def _patterns(text: str | None) -> tuple[str, ...] | None:
    """Return the values of ``_SAYS``: first the text as JSON writes it, then as it is."""
    if not text:
        return None
    written = json.dumps(text, ensure_ascii=False)[1:-1]
    body, plain = ("%" + re.sub("[!%_]", r"!\g<0>", one) + "%" for one in (written, text))
    return (body, *[plain] * 6)
