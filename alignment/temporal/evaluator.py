"""A rule over time, evaluated online: spans and watermarks in, changes of its occurrences out.

It is a deterministic function of what it takes, in order: stored spans give the changes that live ones gave.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from alignment.temporal.absence import AbsentNode
from alignment.temporal.counting import CountNode, LastingNode
from alignment.temporal.expressions import (
    Absent,
    All,
    Any,
    Count,
    Expression,
    Lasting,
    Ref,
    Then,
    ThenNot,
    While,
    refs,
)
from alignment.temporal.node import Known, Leaf, Node
from alignment.temporal.overlap import AllNode, AnyNode, WhileNode
from alignment.temporal.sequence import ThenNode, ThenNotNode
from alignment.temporal.types import Change, Delta, Key, Occurrence, Part, Progress

SAME_S = 0.05  # a bound that moves by less is no change


class Evaluator:
    """Evaluates one expression, in which every event names its camera. Memory is bounded.

    That holds if each span is known before the watermark of its event passes its beginning, and what changes of it
    later comes within ``node.SLACK_S``.
    """

    def __init__(self, expression: Expression) -> None:
        self.sources = frozenset(refs(expression))
        self._root = build(expression)
        self._known = Known()
        self._on: dict[str, Part] = {}  # spans that go on
        self._reported: dict[Key, Occurrence] = {}

    def step(self, parts: Iterable[Part] = (), progress: Iterable[Progress] = ()) -> list[Change]:
        """Take spans that are new or changed, and watermarks by which they are known; return what follows."""
        wanted = [part for part in parts if part.source in self.sources]
        for part in wanted:
            self._on.pop(part.id, None)
            if part.open:
                self._on[part.id] = part
        for watermark in progress:
            if watermark.source in self.sources:
                self._known.take(watermark)
                wanted += self._lasting(watermark)
        changes = list(self._changes(self._root.step(wanted, self._known)))
        self._known.settle()
        floor = self._known.floor
        self._reported = {key: o for key, o in self._reported.items() if o.known_end >= floor}
        return changes

    def finish(self) -> list[Change]:
        """End what is open: nothing more will be known."""
        low = self._known.low
        left = [replace(o, open=False, end=max(o.onset, min(o.end, low))) for o in self._reported.values() if o.open]
        self._reported.clear()
        return [Change("end", occurrence) for occurrence in left]

    @property
    def size(self) -> int:
        """Return how many spans and occurrences are kept."""
        return self._root.size + len(self._reported) + len(self._on)

    def _lasting(self, watermark: Progress) -> list[Part]:
        """Return the open spans of a source of which more is known than was published."""
        known = watermark.lasts_until
        longer = [p for p in self._on.values() if p.source == watermark.source and p.start < known and p.end < known]
        grown = [replace(part, end=known) for part in longer]
        self._on |= {part.id: part for part in grown}
        return grown

    def _changes(self, delta: Delta) -> Iterator[Change]:
        for key in delta.gone:  # later evidence removed it, but what was published as open must end
            known = self._reported.pop(key, None)
            if known is not None and known.open:
                yield Change("end", replace(known, open=False))
        for occurrence in sorted(delta.changed, key=lambda o: (o.onset, o.start, o.key)):
            known = self._reported.get(occurrence.key)
            if known is None and occurrence.known_end < self._known.floor:
                continue  # it was reported long ago, and is final
            if known is None:
                yield Change("new", replace(occurrence, open=True))
                if not occurrence.open:
                    yield Change("end", occurrence)
            elif known.open and not occurrence.open:
                yield Change("end", occurrence)
            elif _differs(known, occurrence):
                yield Change("update", occurrence)
            else:
                occurrence = known if not known.open else occurrence
            self._reported[occurrence.key] = occurrence


def _differs(known: Occurrence, now: Occurrence) -> bool:
    """Return whether a change is worth a revision; that an open occurrence grows is none."""
    others = [part.id for part in known.parts] != [part.id for part in now.parts]
    moved = abs(now.start - known.start) > SAME_S
    longer = not known.open and (now.open or abs(now.end - known.end) > SAME_S)
    return others or moved or longer or known.over_budget != now.over_budget


def build(expression: Expression) -> Node:
    """Return the operators of an expression."""
    return _Builder().node(expression)


class _Builder:
    """Builds operators, numbered in the order in which they are written."""

    def __init__(self) -> None:
        self._number = 0

    def node(self, expression: Expression) -> Node:
        """Return the node that evaluates an expression, with those below it."""
        if isinstance(expression, Ref):
            return Leaf(expression)
        number, self._number = self._number, self._number + 1
        match expression:
            case Then(before, after, within_s):
                return ThenNode(number, self.node(before), self.node(after), within_s)
            case ThenNot(before, absent, for_s):
                return ThenNotNode(number, self.node(before), self._any(absent), absent, for_s)
            case While(what, during):
                return WhileNode(number, self.node(what), self.node(during))
            case All(members):
                return self._all(number, members)
            case Any(members):
                return self._any(members)
            case Lasting(what, at_least_s):
                return LastingNode(number, self.node(what), at_least_s)
            case Count(what, at_least, per_s):
                return CountNode(number, self.node(what), at_least, per_s)
            case Absent(events, for_s):
                return AbsentNode(number, events, for_s)

    def _any(self, members: tuple[Expression, ...]) -> Node:
        return AnyNode(*map(self.node, dict.fromkeys(members)))

    def _all(self, number: int, members: tuple[Expression, ...]) -> Node:
        first, *others = map(self.node, members)
        for i, other in enumerate(others):
            first = AllNode(100 * number + i, first, other)
        return first
