"""What a rule over time reads and finds. Times are stream seconds; those of all its cameras are on one axis."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from alignment.temporal.expressions import Ref

Key = tuple[str, ...]
"""Names an occurrence for its whole life: made of the ids of the parts that it began with."""


@dataclass(frozen=True, slots=True)
class Part:
    """One span as it is known now: an event that was published. ``end``: so far, while it is ``open``."""

    id: str
    source: Ref
    start: float
    end: float
    open: bool = False
    over_budget: bool = False

    @property
    def known_end(self) -> float:
        """Return the end if it is known, else infinity."""
        return float("inf") if self.open else self.end


@dataclass(frozen=True, slots=True)
class Progress:
    """A watermark: all spans of ``source`` that begin from ``since`` until before ``until`` are known.

    In between the camera was watched without interruption. A ``since`` later than the ``until`` before says that
    nobody knows what happened between the two.
    """

    source: Ref
    since: float
    until: float
    lasts_until: float = float("-inf")  # end so far of the span that is open, where it is later than was published


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One occurrence of an expression: from ``start`` to ``end``, complete (and so known) since ``onset``.

    It holds from ``onset`` until ``end``, which is the end so far while it is ``open``.
    """

    key: Key
    start: float
    onset: float
    end: float
    open: bool
    parts: tuple[Part, ...]

    @property
    def known_end(self) -> float:
        """Return the end if it is known, else infinity."""
        return float("inf") if self.open else self.end

    @property
    def over_budget(self) -> bool:
        """Return whether any part is beyond its false-alert budget."""
        return any(part.over_budget for part in self.parts)


@dataclass(slots=True)
class Delta:
    """What changed: occurrences that are new or other than before, and keys of those that are none any more."""

    changed: list[Occurrence] = field(default_factory=list)
    gone: list[Key] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.changed or self.gone)


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be published of an occurrence. Its last change has the type ``end``, unless it is found longer."""

    type: Literal["new", "update", "end"]
    occurrence: Occurrence


def joined(*groups: Iterable[Part]) -> tuple[Part, ...]:
    """Return parts by their start, each once."""
    found = {part.id: part for group in groups for part in group}
    return tuple(sorted(found.values(), key=lambda part: (part.start, part.id)))
