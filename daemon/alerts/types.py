"""What an alert and a message are, from the decision to the delivery."""

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, get_args

from workers.events.event import Event
from workers.events.timestamps import iso

AlertState = Literal["pending", "held", "delivered", "suppressed", "dead"]  # held: until there is a verdict
Unverified = Literal["rejected", "not_confirmed", "unverified"]  # unverified: there is no verdict to be had
SuppressReason = Literal["over_budget", "cooldown", "quiet_hours", "muted", "priority", "too_late", Unverified]
HeldReason = Literal["verifying"]
# alert: the first message of one or several events; replay: the same, because somebody wants it again; digest: many at
# once; clip: follows once the clip is there; end: the event has ended, for targets that follow events; verdict: what a
# model says of an event that was alerted
MessageKind = Literal["alert", "replay", "digest", "clip", "end", "verdict"]
FOLLOWING: tuple[MessageKind, ...] = ("clip", "end", "verdict")  # what an alert that was delivered has after it
STATES: tuple[AlertState, ...] = get_args(AlertState)
REASONS: tuple[SuppressReason, ...] = get_args(SuppressReason)


@dataclass(frozen=True, slots=True)
class Item:
    """One event in a message: its latest revision, and when the event log accepted the first (Unix seconds)."""

    alert_id: str
    at: float
    event: Event


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one target, as it lies in the outbox. Times are Unix seconds.

    ``doubtful``: an earlier attempt got no answer, so the target may have it already. ``plain``: leave pictures out.
    """

    id: str
    target: str
    kind: MessageKind
    created: float
    due: float
    deadline: float
    attempts: int = 0
    doubtful: bool = False
    plain: bool = False
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert as it is listed: an event, a target, and what became of it. Times are Unix seconds.

    ``possible_duplicate``: the target may have got it more than once, as one attempt had no answer.
    """

    seq: int
    id: str
    event_id: str
    camera: str
    event: str
    target: str
    state: AlertState
    reason: str
    at: float
    attempts: int
    delivered_at: float | None
    error: str
    possible_duplicate: bool

    def as_document(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "id": self.id,
            "event_id": self.event_id,
            "camera": self.camera,
            "event": self.event,
            "target": self.target,
            "state": self.state,
            "reason": self.reason or None,
            "attempts": self.attempts,
            "at": iso(self.at),
            "delivered_at": None if self.delivered_at is None else iso(self.delivered_at),
            "error": self.error or None,
            "possible_duplicate": self.possible_duplicate,
        }


def alert_id(target: str, event_id: str) -> str:
    """Return the id of an alert, the same whenever the same event is decided for the same target."""
    return _digest("alert", target, event_id)[:16]


def message_id(kind: MessageKind, target: str, event_id: str, repeated: str = "") -> str:
    """Return the id of the message about an event, the same in every attempt; ``repeated`` tells replays apart."""
    return f"msg_{_digest(kind, target, event_id, repeated)[:24]}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
