"""Rules over time on the events of one file: they are decided when a segment of it, usually all of it, is over.

Of live streams the daemon decides them, from the event log: their cameras are other streams, and their past outlives
a stream.
"""

from collections.abc import Iterable, Sequence

from alignment.temporal.expressions import refs
from alignment.temporal.replay import replayed
from alignment.temporal.rule import TemporalRule
from alignment.temporal.types import Change, Progress
from workers.events.composing import CompositeWriter, part_of
from workers.events.event import Event, SourceFile


class FileRules:
    """The rules of one file, and the events that it has shown so far, in their latest revisions."""

    def __init__(self, rules: Sequence[TemporalRule]) -> None:
        self._rules = rules
        self._events: dict[str, Event] = {}

    def add(self, events: Iterable[Event]) -> None:
        """Add revisions of events."""
        if self._rules:
            self._events |= {event.id: event for event in events}

    def decide(
        self, segment: str, span: tuple[float, float], source: SourceFile | None, config_hash: str, now: float
    ) -> list[Event]:
        """Return what the rules find in a segment that is over, as first and last revisions; forget its events.

        ``span``: from when to when it was watched, stream seconds. ``now``: Unix seconds.
        """
        events = {key: event for key, event in self._events.items() if event.segment == segment}
        self._events = {key: event for key, event in self._events.items() if key not in events}
        found = []
        for rule in self._rules:
            watched = [Progress(ref, *span) for ref in dict.fromkeys(refs(rule.expression))]
            writer = CompositeWriter(rule, config_hash, live=False, segment=segment, source=source)
            for occurrence in replayed(rule.expression, map(part_of, events.values()), watched):
                for revision, change in enumerate((Change("new", occurrence), Change("end", occurrence))):
                    found.append(writer.write(change, revision, events, now))
        return found
