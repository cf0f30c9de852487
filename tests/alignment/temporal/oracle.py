"""What an expression finds in spans that are all known: the definitions, without any regard for cost or order."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

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
)
from alignment.temporal.types import Part, Progress

Stretches = Sequence[Progress]


@dataclass(frozen=True)
class Found:
    start: float
    onset: float
    end: float
    parts: frozenset[str]
    order: tuple = ()

    @property
    def shown(self) -> tuple[float, float, float, frozenset[str]]:
        return round(self.start, 3), round(self.onset, 3), round(self.end, 3), self.parts


class Oracle:
    def __init__(self, spans: Sequence[Part], stretches: Stretches) -> None:
        self.spans, self.stretches = spans, stretches

    def find(self, expression: Expression) -> list[Found]:
        match expression:
            case Ref():
                own = [s for s in self.spans if s.source == expression]
                return [Found(s.start, s.start, s.end, frozenset({s.id}), (s.id,)) for s in own]
            case Any(members):
                return list(dict.fromkeys(found for member in members for found in self.find(member)))
            case All(members):
                found = self.find(members[0])
                for member in members[1:]:
                    found = [_shared(a, b) for a in found for b in self.find(member) if _together(a, b)]
                return found
            case While(what, during):
                pairs = ((a, [b for b in self.find(during) if _together(a, b)]) for a in self.find(what))
                return [_while(a, min(bs, key=_order)) for a, bs in pairs if bs]
            case Then(before, after, within_s):
                return list(self._then(self.find(before), self.find(after), within_s))
            case ThenNot(before, absent, for_s):
                return [a for b in self.find(before) for a in self._then_not(b, absent, for_s)]
            case Lasting(what, least):
                long = [o for o in self.find(what) if o.end - o.onset >= least - 1e-6]
                return [Found(o.start, o.onset + least, o.end, o.parts, o.order) for o in long]
            case Count(what, least, per_s):
                return list(_counted(sorted(self.find(what), key=_order), least, per_s))
            case Absent(events, for_s):
                return [
                    found
                    for gap in self._gaps(events)
                    if gap.end - gap.start >= for_s
                    for found in [Found(gap.start, gap.start + for_s, gap.end, gap.parts, gap.order)]
                ]

    def _then(self, befores: list[Found], afters: list[Found], within_s: float) -> Iterator[Found]:
        first = {
            a: min((b for b in afters if a.onset < b.start), key=lambda b: (b.start, b.order), default=None)
            for a in befores
        }
        pairs = [(a, b) for a, b in first.items() if b is not None and b.start <= a.end + within_s]
        for b in {b for _, b in pairs}:
            a = max((a for a, other in pairs if other == b), key=_order)
            yield Found(a.start, b.onset, b.end, a.parts | b.parts, a.order)

    def _then_not(self, before: Found, absent: Sequence[Ref], for_s: float) -> Iterator[Found]:
        lo, hi = before.onset, before.end + for_s
        watched = all(any(w.since <= lo and hi < w.until for w in self.stretches if w.source == ref) for ref in absent)
        others = [s for s in self.spans if s.source in absent and s.id not in before.parts]
        if watched and not any(s.end > lo and s.start <= hi for s in others):
            yield Found(before.start, hi, hi, before.parts, before.order)

    def _gaps(self, events: Sequence[Ref]) -> Iterator[Found]:
        """Yield the times in which all are watched and none happens; ``parts``: the span that ended just before."""
        for since, until in self._watched(events):
            spans = sorted((s for s in self.spans if s.source in events), key=lambda s: (s.start, s.id))
            at, after = since, None
            for span in spans:
                if span.end <= at or span.start > until:
                    continue
                yield _gap(at, span.start, after)
                at, after = span.end, span
            yield _gap(at, until, after)

    def _watched(self, events: Sequence[Ref]) -> Iterator[tuple[float, float]]:
        """Yield the times in which all are watched."""
        found = [(float("-inf"), float("inf"))]
        for ref in events:
            own = [(w.since, w.until) for w in self.stretches if w.source == ref]
            found = [(max(a, c), min(b, d)) for a, b in found for c, d in own if max(a, c) <= min(b, d)]
        yield from found


def _gap(start: float, end: float, after: Part | None) -> Found:
    ids = (after.id,) if after else ()
    return Found(start, start, end, frozenset(ids), ids)


def _order(found: Found) -> tuple:
    return found.onset, found.start, found.order


def _together(a: Found, b: Found) -> bool:
    return a.onset <= b.end and b.onset <= a.end


def _shared(a: Found, b: Found) -> Found:
    start = max(a.onset, b.onset)
    return Found(start, start, min(a.end, b.end), a.parts | b.parts, (*a.order, *b.order))


def _while(a: Found, b: Found) -> Found:
    return Found(a.start, max(a.onset, b.onset), a.end, a.parts | b.parts, a.order)


def _counted(every: list[Found], least: int, per_s: float) -> Iterator[Found]:
    windows = [every[i : i + least] for i in range(len(every) - least + 1)]
    hot = [w for w in windows if w[-1].onset - w[0].onset <= per_s]
    run: list[Found] = []
    until = 0.0
    onset = 0.0
    for window in hot:
        if run and window[-1].onset > until:
            yield _run(run, onset, until)
            run = []
        onset = onset if run else window[-1].onset
        run += [o for o in window if o not in run]
        until = max(until, window[0].onset + per_s)
    if run:
        yield _run(run, onset, until)


def _run(run: list[Found], onset: float, until: float) -> Found:
    parts: frozenset[str] = frozenset().union(*(o.parts for o in run if o.onset <= onset))
    return Found(min(o.start for o in run), onset, until, parts, run[0].order)


def shown(found: Iterable[Found]) -> list[tuple]:
    return sorted((f.shown for f in found), key=repr)
