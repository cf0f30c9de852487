"""``and``, ``or`` and ``while``."""

from collections.abc import Sequence

from alignment.temporal.node import Joining, Known, Node, by_onset
from alignment.temporal.types import Delta, Key, Occurrence, Part, joined


class AnyNode(Node):
    """All occurrences of all operands."""

    def __init__(self, *nodes: Node) -> None:
        self._nodes = nodes
        self.lag_s = max(node.lag_s for node in nodes)

    def step(self, parts: Sequence[Part], known: Known) -> Delta:
        """Return what changed in any operand."""
        deltas = [node.step(parts, known) for node in self._nodes]
        return Delta([o for delta in deltas for o in delta.changed], [key for delta in deltas for key in delta.gone])

    @property
    def size(self) -> int:
        """Return how many occurrences are kept below."""
        return sum(node.size for node in self._nodes)


class AllNode(Joining):
    """The time that two occurrences share, for each two that hold at the same time."""

    def __init__(self, number: int, left: Node, right: Node) -> None:
        super().__init__(left, right)
        self._tag = f"and{number}"

    def _reach(self) -> tuple[float, ...]:
        return 0.0, 0.0

    def _combine(self, known: Known) -> dict[Key, Occurrence]:
        left, right = ([*operand.kept.values()] for operand in self._operands)
        both = [self._shared(a, b) for a in left for b in right if overlap(a, b)]
        return {occurrence.key: occurrence for occurrence in both}

    def _shared(self, a: Occurrence, b: Occurrence) -> Occurrence:
        start, key = max(a.onset, b.onset), (self._tag, *a.key, *b.key)
        is_open = (a.open and (b.open or a.end < b.end)) or (b.open and (a.open or b.end < a.end))
        return Occurrence(key, start, start, min(a.end, b.end), is_open, joined(a.parts, b.parts))

    def _drop(self, known: Known) -> None:
        for operand in self._operands:
            operand.drop({k: o for k, o in operand.kept.items() if o.known_end >= known.floor})


class WhileNode(Joining):
    """Each ``what`` during which ``during`` holds, with the first one of those."""

    def __init__(self, number: int, what: Node, during: Node) -> None:
        super().__init__(what, during)
        self._tag = f"while{number}"
        self._what, self._during = self._operands
        self.lag_s = what.lag_s

    def _reach(self) -> tuple[float, ...]:
        return 0.0, 0.0

    def _combine(self, known: Known) -> dict[Key, Occurrence]:
        return {(found := self._joined(*pair)).key: found for pair in self._pairs()}

    def _pairs(self) -> list[tuple[Occurrence, Occurrence]]:
        during = sorted(self._during.kept.values(), key=by_onset)
        firsts = ((what, next((o for o in during if overlap(what, o)), None)) for what in self._what.kept.values())
        return [(what, first) for what, first in firsts if first is not None]

    def _joined(self, what: Occurrence, during: Occurrence) -> Occurrence:
        onset, parts = max(what.onset, during.onset), joined(what.parts, during.parts)
        return Occurrence((self._tag, *what.key), what.start, onset, what.end, what.open, parts)

    def _drop(self, known: Known) -> None:
        floor = known.floor
        whats = {k: o for k, o in self._what.kept.items() if o.known_end >= floor}
        needed = {during.key for what, during in self._pairs() if what.key in whats}
        self._what.drop(whats)
        self._during.drop({k: o for k, o in self._during.kept.items() if o.known_end >= floor or k in needed})


def overlap(a: Occurrence, b: Occurrence) -> bool:
    """Return whether two occurrences are known to hold at the same time, for an instant at least."""
    return a.onset <= b.end and b.onset <= a.end
