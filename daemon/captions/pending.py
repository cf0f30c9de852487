"""Closed events that wait for a caption, and up to where the event log may be let go of."""

from collections import Counter
from dataclasses import dataclass

import structlog

from daemon.vlm.errors import VlmBudgetSpent, VlmError, VlmInterrupted, VlmUnreachable
from workers.events.event import Event
from workers.publish.log.records import Record

MOST = 256  # events that wait; the oldest are given up, for a caption is worth most when it is fresh
KEPT_S = 86_400.0  # by then an event's frames are gone
ATTEMPTS = 3  # at an event to which the verifier does not answer as it should

log = structlog.get_logger()


@dataclass(slots=True)
class Waiting:
    """One event. ``seq``: the first revision of it that must be read again after a crash; ``at``: of its end."""

    event: Event
    seq: int
    at: float
    failures: int = 0


def counts(error: VlmError) -> int:
    """Return how many attempts an error counts for: none if no question was answered, all if another try is useless."""
    if isinstance(error, VlmBudgetSpent | VlmInterrupted | VlmUnreachable):
        return 0
    return 1 if error.retryable else ATTEMPTS


class Pending:
    """The events of one reader of the log. ``made`` counts texts by what they are about; "none": given up."""

    def __init__(self, made: Counter[str]) -> None:
        self._waiting: dict[str, Waiting] = {}
        self._made = made

    def __len__(self) -> int:
        """Return how many events wait."""
        return len(self._waiting)

    def note(self, record: Record) -> None:
        """Take a revision: of an event that has closed, and of one that waits."""
        event, known = record.event, self._waiting.get(record.event.id)
        if event.caption is not None:
            self.drop(event.id)
        elif known is not None:
            known.event = event
        elif event.type == "end":
            self._waiting[event.id] = Waiting(event, record.seq, record.at)
            if len(self._waiting) > MOST:
                self.give_up(min(self._waiting.values(), key=lambda one: one.at).event.id)

    def freshest(self, now: float) -> Waiting | None:
        """Return the event that closed last; give up those that closed too long before ``now``, Unix seconds."""
        for one in [one for one in self._waiting.values() if one.at < now - KEPT_S]:
            self.give_up(one.event.id)
        return max(self._waiting.values(), key=lambda one: (one.at, one.seq), default=None)

    def drop(self, event_id: str) -> None:
        """Leave an event alone: it has its caption, or is gone."""
        self._waiting.pop(event_id, None)

    def failed(self, event_id: str, error: VlmError) -> None:
        """Give an event up that the verifier will not describe; one whose turn did not come is tried again."""
        waiting = self._waiting[event_id]
        waiting.failures += counts(error)
        if waiting.failures >= ATTEMPTS:
            self.give_up(event_id)

    def give_up(self, event_id: str) -> None:
        """Leave an event without a caption."""
        if (waiting := self._waiting.pop(event_id, None)) is not None:
            self._made["none"] += 1
            log.info("no caption", camera=waiting.event.camera, event_name=waiting.event.event, id=event_id)

    def floor(self) -> int | None:
        """Return up to where nothing waits; None: nothing waits at all."""
        return min((one.seq - 1 for one in self._waiting.values()), default=None)
