"""The rules of one configuration while they are evaluated: spans and watermarks in, events to publish out."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from alignment.temporal.evaluator import Evaluator
from alignment.temporal.node import APART_S
from alignment.temporal.rule import TemporalRule
from alignment.temporal.types import Change, Part, Progress
from daemon.temporal.history import Published
from workers.events.composing import CompositeWriter, part_of
from workers.events.event import Event

REMEMBERED = 20_000  # events that have ended
LATE_S = APART_S + 3600.0  # how much longer than a rule looks back the event log is read at the start

Latest = Callable[[str], Event | None]


class RuleRuns:
    """Evaluates rules. ``latest`` returns the last revision of an event in the event log."""

    def __init__(self, latest: Latest) -> None:
        self._latest = latest
        self._runs: dict[TemporalRule, Evaluator] = {}
        self._names: frozenset[tuple[str, str]] = frozenset()
        self._published = Published()
        self._ended: OrderedDict[str, None] = OrderedDict()
        self.config_hash = ""

    @property
    def rules(self) -> tuple[TemporalRule, ...]:
        """Return the rules that are evaluated."""
        return tuple(self._runs)

    @property
    def reach_s(self) -> float:
        """Return for how long back events matter at the start."""
        return max((rule.reach_s for rule in self._runs), default=0.0) + LATE_S

    def use(self, rules: Sequence[TemporalRule], config_hash: str, now: float) -> list[Event]:
        """Evaluate these rules from now on; those that were evaluated already go on. Return the ends of others."""
        gone = [rule for rule in self._runs if rule not in rules]
        ends = [event for rule in gone for event in self._events(rule, self._runs[rule].finish(), now)]
        self._runs = {rule: self._runs.get(rule) or Evaluator(rule.expression) for rule in rules}
        self._names = frozenset((rule.camera, rule.name) for rule in rules)
        self.config_hash = config_hash
        return ends

    def take(self, events: Iterable[Event]) -> list[Part]:
        """Note events of the log: return what rules read of them. What was published by rules is remembered."""
        parts = []
        for event in events:
            if (event.camera, event.event) in self._names:
                self._published.note(event)
            elif event.live:
                parts.append(self._part(event))
        return parts

    def recall(self, parts: Sequence[Part]) -> None:
        """Take spans of the past: what rules find in them is not published, unless it was."""
        for rule, evaluator in self._runs.items():
            for change in evaluator.step(parts):
                self._published.silence(rule.id_of(change.occurrence.key))

    def step(self, parts: Sequence[Part], progress: Sequence[Progress], now: float) -> list[Event]:
        """Take spans and watermarks; return what is to be published at Unix time ``now``."""
        return [
            event
            for rule, evaluator in self._runs.items()
            for event in self._events(rule, [*evaluator.step(parts), *evaluator.step((), progress)], now)
        ]

    def finish(self, now: float) -> list[Event]:
        """Return the ends of all that goes on."""
        return [event for rule, run in self._runs.items() for event in self._events(rule, run.finish(), now)]

    def _events(self, rule: TemporalRule, changes: Iterable[Change], now: float) -> Iterator[Event]:
        writer = CompositeWriter(rule, self.config_hash)
        for change in changes:
            event_id = rule.id_of(change.occurrence.key)
            revision = self._published.next_revision(event_id, change)
            if revision is not None:
                event = writer.write(change, revision, self._parts(change), now)
                self._published.note(event)
                yield event

    def _parts(self, change: Change) -> Mapping[str, Event]:
        found = ((part.id, self._latest(part.id)) for part in change.occurrence.parts)
        return {part_id: event for part_id, event in found if event is not None}

    def _part(self, event: Event) -> Part:
        """Return what rules read; an event that has ended may be found longer, and is not open again for that."""
        if event.type == "end":
            self._ended[event.id] = None
            while len(self._ended) > REMEMBERED:
                self._ended.popitem(last=False)
        return replace(part_of(event), open=event.id not in self._ended)
