"""One rule over time as it is evaluated: its expression on certain cameras, and the ids of what it finds."""

import hashlib
from dataclasses import dataclass

from alignment.temporal.expressions import Expression, longest_s, refs
from alignment.temporal.types import Key


@dataclass(frozen=True, slots=True)
class TemporalRule:
    """A rule whose events belong to ``camera``; every event of ``expression`` names its own.

    ``text`` is how people wrote it.
    """

    name: str
    camera: str
    expression: Expression
    text: str
    priority: int = 5

    @property
    def cameras(self) -> tuple[str, ...]:
        """Return the cameras whose events decide, in the order in which they are named."""
        return tuple(dict.fromkeys(str(ref.camera) for ref in refs(self.expression)))

    @property
    def events(self) -> frozenset[str]:
        """Return the names of the events that decide."""
        return frozenset(ref.event for ref in refs(self.expression))

    @property
    def reach_s(self) -> float:
        """Return how far it looks back, besides the durations of its events."""
        return longest_s(self.expression)

    @property
    def version(self) -> str:
        """Return 8 hexadecimal digits that change when what it means changes."""
        return hashlib.sha256(repr(self.expression).encode()).hexdigest()[:8]

    def id_of(self, key: Key) -> str:
        """Return 24 hexadecimal digits that name an occurrence, made of the rule and the ids of its first parts."""
        fields = (self.camera, self.name, self.version, *key)
        return hashlib.sha256("\x1f".join(fields).encode()).hexdigest()[:24]
