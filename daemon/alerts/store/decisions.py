"""What the thread that decides reads and writes, within one transaction."""

import sqlite3

from daemon.alerts.types import AlertState, HeldReason, MessageKind, SuppressReason, alert_id, message_id
from workers.events.event import Event

CURSOR = "cursor"  # up to where the event log is decided

Known = tuple[AlertState, str]
"""State of an alert, and its reason."""


class Decisions:
    """Decisions about alerts, on a connection in a transaction. Methods raise ``sqlite3.Error``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute

    def cursor(self) -> int | None:
        """Return up to which sequence number the event log is decided; None: nothing was decided yet."""
        row = self._run("SELECT value FROM state WHERE name = ?", (CURSOR,)).fetchone()
        return int(row[0]) if row else None

    def set_cursor(self, seq: int) -> None:
        """Write down up to which sequence number the event log is decided."""
        self._run(
            "INSERT INTO state VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (CURSOR, seq)
        )

    def keep_event(self, event: Event, at: float) -> None:
        """Keep an event's latest revision; ``at`` counts for the first one."""
        sql = (
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET ended = excluded.ended, body = excluded.body"
        )
        self._run(sql, (event.id, event.camera, event.event, at, event.type == "end", event.to_json()))

    def event(self, event_id: str) -> Event | None:
        """Return the revision of an event that was kept last."""
        row = self._run("SELECT body FROM events WHERE id = ?", (event_id,)).fetchone()
        return Event.from_json(row[0]) if row else None

    def accepted(self, event_id: str) -> float:
        """Return when the event log accepted the first revision of an event that is kept, Unix seconds."""
        return float(self._run("SELECT at FROM events WHERE id = ?", (event_id,)).fetchone()[0])

    def of_event(self, event_id: str) -> dict[str, Known]:
        """Return state and reason of the alerts of an event, by target."""
        rows = self._run("SELECT target, state, reason FROM alerts WHERE event_id = ?", (event_id,))
        return {target: (state, reason) for target, state, reason in rows}

    def last_delivered(self, target: str, camera: str, event: str, up_to: float) -> float | None:
        """Return the time of the last event, ``up_to`` at most, of which an alert was delivered."""
        sql = (
            "SELECT max(at) FROM alerts WHERE state = 'delivered' "
            "AND target = ? AND camera = ? AND event = ? AND at <= ?"
        )
        found = self._run(sql, (target, camera, event, up_to)).fetchone()[0]
        return None if found is None else float(found)

    def is_muted(self, camera: str, event: str, at: float) -> bool:
        """Return whether an event of a camera is muted at a time."""
        sql = "SELECT 1 FROM mutes WHERE camera = ? AND event IN (?, '') AND until > ?"
        return self._run(sql, (camera, event, at)).fetchone() is not None

    def joinable(self, kind: MessageKind, target: str, subject: str, since: float, camera: str = "") -> str | None:
        """Return a message that waits for its time since ``since`` or later, without an alert of ``camera``."""
        sql = (
            "SELECT id FROM messages WHERE target = ? AND kind = ? AND subject = ? AND state = 'pending' "
            "AND attempts = 0 AND created >= ? AND NOT EXISTS "
            "(SELECT 1 FROM alerts WHERE message = messages.id AND camera = ?) ORDER BY created LIMIT 1"
        )
        row = self._run(sql, (target, kind, subject, since, camera)).fetchone()
        return str(row[0]) if row else None

    def add_message(
        self,
        kind: MessageKind,
        target: str,
        of: Event,
        created: float,
        due: float,
        deadline: float,
        subject: str = "",
        repeated: str = "",
    ) -> str:
        """Add a message that begins with event ``of``, unless there is one; return its id."""
        identity = message_id(kind, target, of.id, repeated)
        sql = (
            "INSERT OR IGNORE INTO messages (id, target, kind, subject, state, created, due, deadline) "
            "VALUES (?, ?, ?, ?, 'pending', ?, ?, ?)"
        )
        self._run(sql, (identity, target, kind, subject, created, due, deadline))
        return identity

    def add_alert(
        self, target: str, of: Event, at: float, message: str | None, reason: SuppressReason | HeldReason | None
    ) -> None:
        """Write down that an event is alerted by a message, held or suppressed for a reason.

        Replaces what was decided before; ``at`` counts for the first decision.
        """
        state = "held" if reason == "verifying" else "suppressed" if reason else "pending"
        sql = (
            "INSERT INTO alerts (id, event_id, camera, event, target, state, reason, at, message) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state, "
            "reason = excluded.reason, message = excluded.message"
        )
        identity = alert_id(target, of.id)
        self._run(sql, (identity, of.id, of.camera, of.event, target, state, reason or "", at, message))
