"""Queries of the event log, from any thread and any process, while its owner writes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workers.publish.log.database import OPEN, read_only
from workers.publish.log.records import COLUMNS, Record, from_row

_SELECT = f"SELECT {', '.join(COLUMNS)} FROM events AS this"
_NEWEST = "NOT EXISTS (SELECT 1 FROM events AS later WHERE later.id = this.id AND later.seq > this.seq)"


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which events to return; None: all. Times are those of acceptance, Unix seconds."""

    camera: str | None = None
    event: str | None = None
    since: float | None = None
    until: float | None = None


class LogView:
    """Reads the event log in ``folder``; empty where there is none. Damaged rows are passed over.

    Every method raises ``EventLogError`` where the file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def page(self, wanted: LogQuery, limit: int, before: int | None = None) -> list[Record]:
        """Return the last revision of each of ``limit`` events, newest first, of sequence numbers below ``before``."""
        terms: tuple[tuple[str, object], ...] = (
            ("camera = ?", wanted.camera),
            ("event = ?", wanted.event),
            ("at >= ?", wanted.since),
            ("at < ?", wanted.until),
            ("seq < ?", before),
        )
        used = [(term, value) for term, value in terms if value is not None]
        where = " AND ".join((_NEWEST, *(term for term, _ in used)))
        return list(self._records(f"WHERE {where} ORDER BY seq DESC LIMIT ?", *(value for _, value in used), limit))

    def after(self, seq: int, limit: int) -> list[Record]:
        """Return the oldest ``limit`` revisions with sequence numbers above ``seq``, in order."""
        return list(self._records("WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit))

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
