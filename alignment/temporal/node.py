"""What all operators have in common: they take changes of their operands, and return changes of their own.

An operator keeps the occurrences of its operands as long as they may still matter, and combines them anew when one of
them changes, as the span tracker decides its window anew: late evidence needs no special code. What it drops is final,
and is no more part of what it compares: dropping never reports anything.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from alignment.temporal.expressions import Ref
from alignment.temporal.types import Delta, Key, Occurrence, Part, Progress

SLACK_S = 120.0  # how much later than the watermark ends and corrections may come; open spans are updated every 10 s
APART_S = 900.0  # how far the slowest camera of a rule is waited for
DROP_EVERY_S = 30.0
MAX_KEPT = 5000  # occurrences of one operand: some 5 h of a span every 4 s
MAX_PARTS = 50  # of one occurrence


class Known:
    """The watermarks of all sources of one rule: the stretches of time in which each one was watched.

    ``floor``: nothing from before changes any more. It follows when a step is over: what the step itself makes known
    may lie far behind a watermark that has jumped.
    """

    def __init__(self) -> None:
        self.floor = float("-inf")
        self._stretches: dict[Ref, list[Progress]] = {}

    def take(self, progress: Progress) -> None:
        """Take a watermark; one that steps back changes nothing."""
        known = self._stretches.setdefault(progress.source, [])
        if not known or progress.since > known[-1].until:
            known.append(progress)
        elif progress.since >= known[-1].since and progress.until > known[-1].until:
            known[-1] = progress
        del known[: next(i for i, one in enumerate(known) if one is known[-1] or one.until >= self.floor)]

    def settle(self) -> None:
        """Take note that all operators have seen what is known."""
        self.floor = max(self.floor, self.low - SLACK_S)

    @property
    def low(self) -> float:
        """Return the time before which no occurrence is completed any more, unless a camera is ``APART_S`` behind."""
        untils = [known[-1].until for known in self._stretches.values()] or [float("-inf")]
        return max(min(untils), max(untils) - APART_S)

    def until(self, sources: Sequence[Ref]) -> float:
        """Return until when all that these sources have seen is known."""
        found = [self._stretches.get(source) for source in sources]
        return min(known[-1].until if known else float("-inf") for known in found)

    def watched(self, sources: Sequence[Ref]) -> list[tuple[float, float]]:
        """Return the latest times in which all these sources were watched, in order."""
        shared = [(float("-inf"), float("inf"))]
        for source in sources:
            own = self._stretches.get(source, ())
            both = ((max(since, one.since), min(until, one.until)) for since, until in shared for one in own)
            shared = [(since, until) for since, until in both if since <= until]
        return shared


class Node(ABC):
    """One operator of an expression. ``lag_s``: how long after its start an occurrence may be complete."""

    lag_s = 0.0

    @abstractmethod
    def step(self, parts: Sequence[Part], known: Known) -> Delta:
        """Take spans that are new or changed, and what is known by then; return what changed."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Return how many occurrences are kept."""


class Leaf(Node):
    """The spans of one event."""

    def __init__(self, source: Ref) -> None:
        self._source = source

    def step(self, parts: Sequence[Part], known: Known) -> Delta:
        """Return the spans of this event."""
        own = (part for part in parts if part.source == self._source)
        return Delta([Occurrence((p.id,), p.start, p.start, p.end, p.open, (p,)) for p in own])

    @property
    def size(self) -> int:
        """Return 0: who reads spans keeps them."""
        return 0


class Operand:
    """The occurrences of one operand that may still matter, by key."""

    def __init__(self, node: Node) -> None:
        self.node, self.kept = node, dict[Key, Occurrence]()

    def step(self, parts: Sequence[Part], known: Known, since: float) -> bool:
        """Take what changed of the operand, but nothing new that was over before ``since``; return whether it did."""
        delta = self.node.step(parts, known)
        fresh = [o for o in delta.changed if o.key in self.kept or o.known_end >= since]
        self.kept |= {occurrence.key: occurrence for occurrence in fresh}
        lost = [key for key in delta.gone if self.kept.pop(key, None)]
        return bool(fresh or lost)

    def drop(self, kept: Mapping[Key, Occurrence]) -> None:
        """Keep only these, and of them the ``MAX_KEPT`` latest."""
        latest = sorted(kept.values(), key=by_onset)[-MAX_KEPT:]
        self.kept = {occurrence.key: occurrence for occurrence in latest}

    @property
    def size(self) -> int:
        """Return how many occurrences are kept, here and below."""
        return len(self.kept) + self.node.size


class Joining(Node):
    """An operator that combines the occurrences that it keeps of its operands."""

    def __init__(self, *nodes: Node) -> None:
        self._operands = tuple(Operand(node) for node in nodes)
        self._found: dict[Key, Occurrence] = {}
        self._dropped_at = float("-inf")

    def step(self, parts: Sequence[Part], known: Known) -> Delta:
        """Combine anew if an operand changed, and drop what does not matter any more, now and then."""
        horizon = zip(self._operands, self._reach(), strict=True)
        changed = [operand.step(parts, known, known.floor - reach) for operand, reach in horizon]
        delta = Delta()
        if any(changed) or self._moves:
            found = self._combine(known)
            delta = difference(self._found, found)
            self._found = found
        if known.floor >= self._dropped_at + DROP_EVERY_S:
            self._dropped_at = known.floor
            self._drop(known)
            self._found = self._combine(known)
        return delta

    @property
    def size(self) -> int:
        """Return how many occurrences are kept, here and below."""
        return sum(operand.size for operand in self._operands)

    _moves = False
    """Whether time alone changes what is found."""

    @abstractmethod
    def _reach(self) -> tuple[float, ...]:
        """Return for each operand how long after its end an occurrence may still become part of another one."""

    @abstractmethod
    def _combine(self, known: Known) -> dict[Key, Occurrence]:
        """Return what the operands' occurrences make."""

    @abstractmethod
    def _drop(self, known: Known) -> None:
        """Drop what cannot change what is found any more."""


def by_onset(occurrence: Occurrence) -> tuple[float, float, Key]:
    """Return the order in which occurrences are complete."""
    return occurrence.onset, occurrence.start, occurrence.key


def difference(before: Mapping[Key, Occurrence], after: Mapping[Key, Occurrence]) -> Delta:
    """Return what changed between two results."""
    changed = [occurrence for key, occurrence in after.items() if before.get(key) != occurrence]
    return Delta(changed, [key for key in before if key not in after])
