"""``no … for``: absence is known only of time in which all cameras were watched."""

from collections.abc import Sequence
from dataclasses import replace

from alignment.temporal.expressions import Ref
from alignment.temporal.node import Known, Node
from alignment.temporal.types import Delta, Key, Occurrence, Part


class AbsentNode(Node):
    """The times between spans, or since the cameras are watched, that are long enough."""

    def __init__(self, number: int, sources: Sequence[Ref], for_s: float) -> None:
        self._tag, self._sources, self._for_s = f"no{number}", tuple(sources), for_s
        self._spans: dict[str, Part] = {}  # those that end after ``_since``, or go on
        self._since = float("-inf")  # where the present absence began, or that before the present spans
        self._after: tuple[Part, ...] = ()  # the span that ended there, if one did
        self._found: Occurrence | None = None  # the absence since then

    def step(self, parts: Sequence[Part], known: Known) -> Delta:
        """Return which absence is long enough by now, goes on, or is over."""
        self._spans |= {part.id: part for part in parts if part.source in self._sources}
        delta = Delta()
        for since, until in known.watched(self._sources):
            if until < self._since:
                continue
            if since > self._since:  # they were not watched: what was going on is not known any more
                if self._found is not None and self._found.open:
                    self._report(replace(self._found, open=False), delta)
                self._move(since, ())
            while self._look(until, delta):
                pass
        matter = max(self._since, known.floor)  # while a camera is down, the spans of others are not waited with
        self._spans = {k: part for k, part in self._spans.items() if part.known_end > matter}
        return delta

    def _look(self, until: float, delta: Delta) -> bool:
        """Report the absence since ``_since``; move on to the next one, and return whether there is one."""
        coming = [part for part in self._spans.values() if part.known_end > self._since]
        first = min(coming, key=lambda part: (part.start, part.id), default=None)
        ends = first is not None and first.start <= until
        limit = first.start if first is not None and ends else until
        if limit - self._since >= self._for_s:
            onset = self._since + self._for_s
            self._report(Occurrence(self._key, self._since, onset, limit, not ends, self._after), delta)
        elif self._found is not None:
            delta.gone.append(self._found.key)
            self._found = None
        if first is None or not ends or first.open:
            return False
        self._move(first.end, (first,))
        return True

    @property
    def _key(self) -> Key:
        return self._tag, *([part.id for part in self._after] or [f"{self._since:.0f}"])

    def _report(self, found: Occurrence, delta: Delta) -> None:
        if found != self._found:
            delta.changed.append(found)
        self._found = found

    def _move(self, since: float, after: tuple[Part, ...]) -> None:
        before = self._key
        self._since, self._after = since, after
        if self._key != before:
            self._found = None  # what was found before is final

    @property
    def size(self) -> int:
        """Return how many spans are kept."""
        return len(self._spans)
