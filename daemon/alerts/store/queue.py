"""The messages that wait, as those who deliver them see the outbox."""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

import structlog

from daemon.alerts.store.decisions import Decisions
from daemon.alerts.store.session import Row, Session
from daemon.alerts.types import FOLLOWING, Item, Message, SuppressReason
from workers.events.event import Event

CLOCK_SET_S = 60.0  # a message from so far in the future says that the clock was set back: it is due
REMOVED = "the target was removed from the configuration"

_COLUMNS = "id, target, kind, created, due, deadline, attempts, doubtful, plain"
_PENDING = f"SELECT {_COLUMNS} FROM messages WHERE state = 'pending'"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages wait for a target, and since when the oldest one is due (Unix seconds)."""

    waiting: int = 0
    oldest: float | None = None


class MessageQueue:
    """What waits to be sent. Methods raise ``AlertStoreError``; what they change is on disk when they return."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def recover(self, targets: Collection[str]) -> None:
        """Begin after a start: what was being sent may have arrived, and what goes to no target is dead."""
        with self._session.changing() as connection:
            connection.execute("UPDATE messages SET in_flight = 0, doubtful = 1 WHERE in_flight AND state = 'pending'")
            self._bury(connection, targets)

    def retarget(self, targets: Collection[str]) -> None:
        """Give up what waits for a target that is not one of these any more."""
        with self._session.changing() as connection:
            self._bury(connection, targets)

    def next_due(self, target: str, now: float) -> Message | None:
        """Return the message that is due longest, with its events; None: none is due.

        Not one that is being sent, perhaps by the worker before.
        """
        wanted = "AND NOT in_flight AND target = ? AND (due <= ? OR created > ?) ORDER BY due, rowid LIMIT 1"
        for row in self._session.rows(f"{_PENDING} {wanted}", (target, now, now + CLOCK_SET_S)):
            return self._whole(row)
        return None

    def due_at(self, target: str) -> float | None:
        """Return when the next message of a target is due, Unix seconds; None: none waits."""
        sql = "SELECT min(due) FROM messages WHERE state = 'pending' AND NOT in_flight AND target = ?"
        (row,) = self._session.rows(sql, (target,))
        return None if row[0] is None else float(row[0])

    def begin(self, message: Message) -> None:
        """Write down that a message is about to be sent: if no more is written, it may have arrived."""
        self._change("SET attempts = attempts + 1, in_flight = 1", message)

    def delivered(self, message: Message, now: float) -> None:
        """Write down that a message has arrived."""
        with self._session.changing() as connection:
            sql = "UPDATE messages SET state = 'delivered', in_flight = 0, delivered = ?, error = '' WHERE id = ?"
            connection.execute(sql, (now, message.id))
            _settle(connection, message, "delivered")

    def failed(self, message: Message, error: str, due: float, doubtful: bool, plain: bool) -> None:
        """Write down that an attempt failed, and when to try again; ``doubtful``: the message may have arrived."""
        sql = "SET in_flight = 0, error = ?, due = ?, doubtful = doubtful OR ?, plain = plain OR ?"
        self._change(sql, message, error, due, doubtful, plain)

    def postpone(self, message: Message, due: float) -> None:
        """Look at a message again later, without an attempt."""
        self._change("SET due = ?", message, due)

    def bury(self, message: Message, error: str) -> None:
        """Give a message up: it is a dead letter, which is kept and shown."""
        with self._session.changing() as connection:
            sql = "UPDATE messages SET state = 'dead', in_flight = 0, error = ? WHERE id = ?"
            connection.execute(sql, (error or "it was not tried in time", message.id))
            _settle(connection, message, "dead")

    def drop(self, message: Message) -> None:
        """Remove a message of which nothing is left to be sent."""
        with self._session.changing() as connection:
            connection.execute("DELETE FROM messages WHERE id = ?", (message.id,))

    def suppress(self, items: Collection[Item], reason: SuppressReason) -> None:
        """Suppress alerts that waited."""
        with self._session.changing() as connection:
            sql = "UPDATE alerts SET state = 'suppressed', reason = ?, message = NULL WHERE id = ?"
            connection.executemany(sql, [(reason, item.alert_id) for item in items])

    def cooling(self, message: Message, cooldown_s: dict[str, float]) -> list[Item]:
        """Return the alerts of a message whose event comes too soon after a delivered one; cooldowns by alert id."""
        with self._session.changing() as connection:
            decisions = Decisions(connection)
            found = []
            for item in message.items:
                camera, event = item.event.camera, item.event.event
                last = decisions.last_delivered(message.target, camera, event, item.at)
                if last is not None and item.at < last + cooldown_s[item.alert_id]:
                    found.append(item)
            return found

    def state_of(self, message: Message) -> str:
        """Return the state of the alert that a message follows; empty where it is gone."""
        sql = "SELECT state FROM alerts WHERE target = ? AND event_id = ?"
        rows = [self._session.rows(sql, (message.target, item.event.id)) for item in message.items]
        return str(rows[0][0][0]) if rows and rows[0] else ""

    def is_on(self, target: str, camera: str, event: str) -> bool:
        """Return whether an event that has not ended was delivered to a target."""
        sql = (
            "SELECT 1 FROM alerts JOIN events ON events.id = alerts.event_id WHERE NOT ended "
            "AND alerts.state = 'delivered' AND target = ? AND alerts.camera = ? AND alerts.event = ? LIMIT 1"
        )
        return bool(self._session.rows(sql, (target, camera, event)))

    def depths(self) -> dict[str, Depth]:
        """Return by target how much waits."""
        since = "min(CASE WHEN kind IN ('digest', 'clip') THEN due ELSE created END)"
        sql = f"SELECT target, count(*), {since} FROM messages WHERE state = 'pending' GROUP BY target"
        return {str(target): Depth(int(n), float(since)) for target, n, since in self._session.rows(sql)}

    def _whole(self, row: Row) -> Message:
        identity, _, kind, *_ = row
        if kind in FOLLOWING:
            sql = "SELECT '', at, body FROM events JOIN messages ON events.id = subject WHERE messages.id = ?"
        else:
            sql = (
                "SELECT alerts.id, alerts.at, body FROM alerts JOIN events ON events.id = event_id "
                "WHERE message = ? ORDER BY alerts.seq"
            )
        rows = self._session.rows(sql, (identity,))
        items = tuple(Item(str(alert), float(at), Event.from_json(body)) for alert, at, body in rows)
        return Message(*(*row[:7], bool(row[7]), bool(row[8]), items))

    def _change(self, change: str, message: Message, *values: object) -> None:
        with self._session.changing() as connection:
            connection.execute(f"UPDATE messages {change} WHERE id = ?", (*values, message.id))

    def _bury(self, connection: sqlite3.Connection, targets: Collection[str]) -> None:
        marks = ", ".join("?" * len(targets))
        orphans = f"state = 'pending' AND target NOT IN ({marks})"
        alerts = connection.execute(f"UPDATE alerts SET state = 'dead' WHERE {orphans}", tuple(targets)).rowcount
        sql = f"UPDATE messages SET state = 'dead', in_flight = 0, error = ? WHERE {orphans}"
        connection.execute(sql, (REMOVED, *targets))
        if alerts:
            log.warning("alerts wait for targets that were removed: they are dead letters", alerts=alerts)


def _settle(connection: sqlite3.Connection, message: Message, state: str) -> None:
    """Set the state of the alerts of a message."""
    connection.execute("UPDATE alerts SET state = ? WHERE message = ? AND state = 'pending'", (state, message.id))
