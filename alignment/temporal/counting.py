"""``for at least`` and ``count … per``."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alignment.temporal.node import MAX_PARTS, Joining, Known, Node, by_onset
from alignment.temporal.types import Delta, Key, Occurrence, Part, joined

ROUNDING_S = 1e-6


class LastingNode(Node):
    """Each occurrence that has held for so long; it holds from then on."""

    def __init__(self, number: int, what: Node, at_least_s: float) -> None:
        self._tag, self._what, self._at_least_s = f"lasting{number}", what, at_least_s
        self._found: dict[Key, float] = {}  # when each one ended
        self.lag_s = what.lag_s + at_least_s

    def step(self, parts: Sequence[Part], known: Known) -> Delta:
        """Return what lasts long enough now."""
        below, delta = self._what.step(parts, known), Delta()
        for one in below.changed:
            if one.end - one.onset >= self._at_least_s - ROUNDING_S:
                found = replace(one, key=(self._tag, *one.key), onset=one.onset + self._at_least_s)
                self._found[one.key] = one.known_end
                delta.changed.append(found)
            elif self._found.pop(one.key, None) is not None:
                delta.gone.append((self._tag, *one.key))
        delta.gone += [(self._tag, *key) for key in below.gone if self._found.pop(key, None) is not None]
        if below:
            self._found = {key: end for key, end in self._found.items() if end >= known.floor}
        return delta

    @property
    def size(self) -> int:
        """Return how many occurrences are kept, here and below."""
        return len(self._found) + self._what.size


@dataclass(frozen=True, slots=True)
class _Run:
    """A time in which there are enough: the first one is complete at ``first``."""

    found: Occurrence
    first: float


class CountNode(Joining):
    """The times in which enough occurrences are complete within a time."""

    _moves = True

    def __init__(self, number: int, what: Node, at_least: int, per_s: float) -> None:
        super().__init__(what)
        self._tag, self._at_least, self._per_s = f"count{number}", at_least, per_s
        (self._what,) = self._operands
        self._former: _Run | None = None  # the latest run of which something was dropped

    def _reach(self) -> tuple[float, ...]:
        return (self._per_s,)

    def _combine(self, known: Known) -> dict[Key, Occurrence]:
        found = (run.found for run in self._runs())
        return {one.key: replace(one, open=known.low <= one.end) for one in found}

    def _runs(self) -> list[_Run]:
        every = sorted(self._what.kept.values(), key=by_onset)
        runs = [self._former] if self._former else []
        for last in range(self._at_least - 1, len(every)):
            window = every[last - self._at_least + 1 : last + 1]
            until = window[0].onset + self._per_s
            if window[-1].onset > until:
                continue
            if runs and window[-1].onset <= runs[-1].found.end:
                found = replace(runs[-1].found, end=max(runs[-1].found.end, until))
                runs[-1] = _Run(found, runs[-1].first)
            else:
                runs.append(self._begun(window, until))
        return runs

    def _begun(self, window: Sequence[Occurrence], until: float) -> _Run:
        """Return a run that begins. What it begins with are its parts for good, or it would grow without limit."""
        parts = joined(*(one.parts for one in window))[:MAX_PARTS]
        start, onset = min(one.start for one in window), window[-1].onset
        return _Run(Occurrence((self._tag, *window[0].key), start, onset, until, True, parts), window[0].onset)

    def _drop(self, known: Known) -> None:
        kept = {k: o for k, o in self._what.kept.items() if o.onset + self._per_s >= known.floor}
        dropped = [o.onset for k, o in self._what.kept.items() if k not in kept]
        if dropped:
            touched = [run for run in self._runs() if run.first <= max(dropped)]
            self._former = touched[-1] if touched else self._former
        if self._former and self._former.found.end < known.floor - self._per_s:
            self._former = None
        self._what.drop(kept)
