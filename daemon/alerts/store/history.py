"""The alerts so far: listed, counted and sent again, from any thread and any process while the daemon runs."""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from daemon.alerts.store.database import NAME, AlertStoreError, open_existing, reading, store_error
from daemon.alerts.types import AlertRow, AlertState, message_id
from daemon.sqlite_file import transaction

DEFAULT_RETRY_S = 86_400.0

_SELECT = (
    "SELECT seq, alerts.id, event_id, alerts.camera, alerts.event, alerts.target, alerts.state, reason, at, "
    "coalesce(attempts, 0), delivered, coalesce(error, ''), coalesce(doubtful, 0) "
    "FROM alerts LEFT JOIN messages ON messages.id = message"
)

# An event that a rule has made of those of several cameras tells about all of them.
_MADE_OF_OTHERS = (
    "SELECT 1 FROM events JOIN json_each(events.body, '$.cameras') AS other "
    "WHERE events.id = event_id AND other.value NOT IN"
)


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Which alerts to return; None: all. Times are those of the event, Unix seconds.

    ``cameras``: what somebody may see. ``before``: only alerts with a smaller ``seq``, for the next page.
    """

    camera: str | None = None
    event: str | None = None
    target: str | None = None
    state: AlertState | None = None
    event_id: str | None = None
    since: float | None = None
    until: float | None = None
    before: int | None = None
    cameras: frozenset[str] | None = None


class AlertStore:
    """The alerts below a state folder; empty where there are none. Methods raise ``AlertStoreError``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def page(self, wanted: AlertQuery, limit: int) -> list[AlertRow]:
        """Return the newest alerts first."""
        terms: tuple[tuple[str, object], ...] = (
            ("alerts.camera = ?", wanted.camera),
            ("alerts.event = ?", wanted.event),
            ("alerts.target = ?", wanted.target),
            ("alerts.state = ?", wanted.state),
            ("event_id = ?", wanted.event_id),
            ("at >= ?", wanted.since),
            ("at < ?", wanted.until),
            ("seq < ?", wanted.before),
        )
        used = [(term, value) for term, value in terms if value is not None]
        if wanted.cameras is not None:
            marks = ", ".join("?" * len(wanted.cameras))
            used.append((f"alerts.camera IN ({marks}) AND NOT EXISTS ({_MADE_OF_OTHERS} ({marks}))", None))
        where = " AND ".join(term for term, _ in used) or "1"
        values = [value for _, value in used if value is not None] + 2 * sorted(wanted.cameras or ())
        return self._rows(f"{_SELECT} WHERE {where} ORDER BY seq DESC LIMIT ?", *values, limit)

    def of_event(self, event_id: str) -> list[AlertRow]:
        """Return the alerts of one event, oldest first."""
        return self._rows(f"{_SELECT} WHERE event_id = ? ORDER BY seq", event_id)

    def find(self, id_or_prefix: str) -> list[AlertRow]:
        """Return the alert with an id, else all alerts whose id starts with these characters."""
        found = self._rows(f"{_SELECT} WHERE substr(alerts.id, 1, ?) = ?", len(id_or_prefix), id_or_prefix)
        return [row for row in found if row.id == id_or_prefix] or found

    def replay(self, row: AlertRow, now: float, retry_s: float = DEFAULT_RETRY_S) -> None:
        """Send an alert again that was delivered, suppressed or given up, in a message of its own.

        The running daemon sends it at once, otherwise the next one does.
        """
        identity = message_id("replay", row.target, row.event_id, secrets.token_hex(8))
        with self._changing() as connection:
            connection.execute(
                "INSERT INTO messages (id, target, kind, subject, state, created, due, deadline) "
                "VALUES (?, ?, 'replay', '', 'pending', ?, ?, ?)",
                (identity, row.target, now, now, now + retry_s),
            )
            sql = "UPDATE alerts SET state = 'pending', reason = 'replayed', message = ? WHERE id = ?"
            connection.execute(sql, (identity, row.id))

    def mute(self, camera: str, event: str, until: float) -> None:
        """Send no alerts of an event of a camera until a Unix time; ``event`` empty: of the whole camera."""
        with self._changing() as connection:
            sql = "INSERT INTO mutes VALUES (?, ?, ?) ON CONFLICT (camera, event) DO UPDATE SET until = excluded.until"
            connection.execute(sql, (camera, event, until))

    def mutes(self, now: float) -> list[tuple[str, str, float]]:
        """Return camera, event (empty: all) and end of what is muted now."""
        with reading(self._folder) as connection:
            sql = "SELECT camera, event, until FROM mutes WHERE until > ? ORDER BY until"
            return connection.execute(sql, (now,)).fetchall() if connection else []

    def _rows(self, sql: str, *values: object) -> list[AlertRow]:
        with reading(self._folder) as connection:
            rows = connection.execute(sql, values).fetchall() if connection else []
        return [AlertRow(*(*row[:12], bool(row[12]))) for row in rows]

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        if not (self._folder / NAME).exists():
            raise AlertStoreError(f"there are no alerts in {self._folder}", "start the daemon with `alerts` configured")
        try:
            with closing(open_existing(self._folder)) as connection, transaction(connection):
                yield connection
        except sqlite3.Error as error:
            raise store_error(self._folder, error) from error
