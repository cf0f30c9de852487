"""What was published of the events of rules: by id, so that nothing is published twice, whatever is read again."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from alignment.temporal.types import Change
from workers.events.event import Event

REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Last:
    """The last revision of one event, amendments not counted.

    ``silent``: it lies in the past of a rule that is new, and is not published.
    """

    revision: int
    type: Literal["new", "update", "end"]
    end: float = 0.0
    parts: tuple[str, ...] = ()
    silent: bool = False


class Published:
    """The last revisions, the latest ones."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, Last] = OrderedDict()

    def note(self, event: Event) -> None:
        """Note a revision that is in the event log."""
        known, revision = self._last.get(event.id), event.stream_revision
        if known is None or revision > known.revision or known.silent:
            parts = tuple(part.id for part in event.parts)
            self._keep(event.id, Last(revision, event.type, event.end, parts))

    def silence(self, event_id: str) -> None:
        """Note that an event is never to be published, unless it was already."""
        if event_id not in self._last:
            self._keep(event_id, Last(-1, "new", silent=True))

    def next_revision(self, event_id: str, change: Change) -> int | None:
        """Return the revision by which a change is published; None where it is known already, or silent."""
        known, found = self._last.get(event_id), change.occurrence
        if known is None:
            return 0
        parts = tuple(part.id for part in found.parts)
        same = known.type == change.type and known.parts == parts and abs(known.end - found.end) < 1e-3
        if known.silent or change.type == "new" or same:
            return None
        return known.revision + 1

    def _keep(self, event_id: str, last: Last) -> None:
        self._last[event_id] = last
        self._last.move_to_end(event_id)
        while len(self._last) > REMEMBERED:
            self._last.popitem(last=False)
