"""What was found in one file, for those who want it whole: the last revision of each event, and the transcript."""

from collections.abc import Iterable
from dataclasses import dataclass

from workers.events.event import Event
from workers.types import Utterance


@dataclass(frozen=True, slots=True)
class FileResults:
    """The events of a file, and all that was said in it, in order of time; empty where nothing listens to speech."""

    events: tuple[Event, ...]
    transcript: tuple[Utterance, ...]


class ResultsCollector:
    """Collects the results of a file while it is watched."""

    def __init__(self) -> None:
        self._events: dict[str, Event] = {}
        self._utterances: list[Utterance] = []

    def add_events(self, events: Iterable[Event]) -> None:
        """Add revisions; each replaces earlier ones of its event."""
        self._events |= {event.id: event for event in events}

    def add_utterances(self, utterances: Iterable[Utterance]) -> None:
        """Add what was said."""
        self._utterances += utterances

    def results(self) -> FileResults:
        """Return what was collected so far, in order of time."""
        events = sorted(self._events.values(), key=lambda e: (e.start, e.end))
        said = sorted(self._utterances, key=lambda u: (u.start_s, u.end_s))
        return FileResults(tuple(events), tuple(said))
