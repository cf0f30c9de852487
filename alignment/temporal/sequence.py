"""``then … within`` and ``then no … for``."""

from bisect import bisect_right
from collections.abc import Sequence

from alignment.temporal.expressions import Ref
from alignment.temporal.node import Joining, Known, Node, by_onset
from alignment.temporal.types import Key, Occurrence, joined

_UNDECIDED = (float("nan"), float("nan")), False


class ThenNode(Joining):
    """Pairs each ``before`` with the first ``after`` that follows it; of those with the same ``after`` the last one."""

    def __init__(self, number: int, before: Node, after: Node, within_s: float) -> None:
        super().__init__(before, after)
        self._tag, self._within_s = f"then{number}", within_s
        self._before, self._after = self._operands

    def _reach(self) -> tuple[float, ...]:
        return self._within_s + self._after.node.lag_s, self._after.node.lag_s

    def _combine(self, known: Known) -> dict[Key, Occurrence]:
        pairs = self._pairs(list(self._before.kept.values()))
        return {(found := self._pair(*pair)).key: found for pair in pairs.values()}

    def _pair(self, before: Occurrence, after: Occurrence) -> Occurrence:
        parts = joined(before.parts, after.parts)
        return Occurrence((self._tag, *before.key), before.start, after.onset, after.end, after.open, parts)

    def _firsts(self, befores: Sequence[Occurrence]) -> list[tuple[Occurrence, Occurrence]]:
        """Return each ``before`` that is followed, with the first ``after``."""
        afters = sorted(self._after.kept.values(), key=lambda o: (o.start, o.key))
        starts = [after.start for after in afters]
        found = []
        for before in befores:
            place = bisect_right(starts, before.onset)
            if place < len(afters) and starts[place] <= before.end + self._within_s:
                found.append((before, afters[place]))
        return found

    def _pairs(self, befores: Sequence[Occurrence]) -> dict[Key, tuple[Occurrence, Occurrence]]:
        """Return by the key of ``after`` the pairs that count."""
        return {after.key: (before, after) for before, after in self._firsts(sorted(befores, key=by_onset))}

    def _drop(self, known: Known) -> None:
        floor, reach = known.floor, self._reach()
        followed = {before.key: after for before, after in self._firsts(list(self._before.kept.values()))}

        def matters(before: Occurrence) -> bool:
            after = followed.get(before.key)
            return before.known_end + reach[0] >= floor or (after is not None and after.known_end >= floor)

        befores = {key: o for key, o in self._before.kept.items() if matters(o)}
        needed = {followed[key].key for key in befores if key in followed}
        afters = {k: o for k, o in self._after.kept.items() if o.start + reach[1] >= floor or k in needed}
        # what the last ``before`` of an ``after`` is must stay known as long as an earlier one does
        counting = {before.key for before, after in self._pairs(list(self._before.kept.values())).values()}
        last = {key: o for key, o in self._before.kept.items() if key in counting and followed[key].key in afters}
        self._before.drop(befores | last)
        self._after.drop(afters)


class ThenNotNode(Joining):
    """Finds each ``before`` that is followed by nothing, once that is known: later it does not change."""

    _moves = True

    def __init__(self, number: int, before: Node, absent: Node, sources: Sequence[Ref], for_s: float) -> None:
        super().__init__(before, absent)
        self._tag, self._sources, self._for_s = f"then-not{number}", sources, for_s
        self._before, self._absent = self._operands
        self._decided: dict[Key, tuple[tuple[float, float], bool]] = {}  # by ``before``: its times, and whether found

    def _reach(self) -> tuple[float, ...]:
        return self._for_s, 0.0

    def _combine(self, known: Known) -> dict[Key, Occurrence]:
        until, watched = known.until(self._sources), known.watched(self._sources)
        for before in self._before.kept.values():
            seen = before.onset, before.known_end
            if seen[1] + self._for_s < until and self._decided.get(before.key, _UNDECIDED)[0] != seen:
                lo, hi = before.onset, before.end + self._for_s
                was_watched = any(since <= lo and hi < end for since, end in watched)
                self._decided[before.key] = seen, was_watched and not self._is_followed(before, hi)
        missed = {}
        for before in self._before.kept.values():
            seen, decision = self._decided.get(before.key, _UNDECIDED)
            if decision and seen == (before.onset, before.known_end):
                hi = before.end + self._for_s
                key = self._tag, *before.key
                missed[key] = Occurrence(key, before.start, hi, hi, False, before.parts)
        return missed

    def _is_followed(self, before: Occurrence, until: float) -> bool:
        own = {part.id for part in before.parts}  # with `A then no A` it is other ones that must not come
        others = (o for o in self._absent.kept.values() if o.key[0] not in own)
        return any(o.known_end > before.onset and o.start <= until for o in others)

    def _drop(self, known: Known) -> None:
        floor = known.floor
        befores = {k: o for k, o in self._before.kept.items() if o.known_end + self._for_s >= floor}
        oldest = min([floor, *(o.onset for o in befores.values())])
        self._before.drop(befores)
        self._decided = {key: one for key, one in self._decided.items() if key in befores}
        self._absent.drop({k: o for k, o in self._absent.kept.items() if o.known_end >= oldest})
