"""What was reported of one event's spans, and which changes follow from what they are now."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from alignment.spans.allowance import Allowance
from alignment.types import Span, SpanChange, SpanChangeType

SAME_S = 0.05  # a bound that moves by less than a video frame is no change: the times of live frames jitter


@dataclass(slots=True)
class Reported:
    """A span as it was reported last."""

    opened: float
    span: Span
    reported_end: float
    revision: int = 0
    peak: float = 0.0
    over_budget: bool = False
    judged: bool = False  # by the allowance of the budget, which gives a token once
    counted: bool = False


class Reports:
    """Compares spans with those that were reported before; ``known``: those that may still change, in order of time.

    ``allowance``: of the event's budget, if it has one.
    """

    def __init__(self, update_every_s: float, allowance: Allowance | None = None) -> None:
        self.known: list[Reported] = []
        self._update_every_s, self._allowance = update_every_s, allowance

    @property
    def open(self) -> list[Span]:
        """Return the reported spans that go on."""
        return [known.span for known in self.known if known.span.open]

    def forget(self, until: float, gap_s: float) -> None:
        """Forget closed spans that end more than ``gap_s`` before a stream second: nothing can prolong them."""
        self.known = [a for a in self.known if a.span.open or until - a.span.end <= gap_s]

    def changes(self, spans: Sequence[Span]) -> tuple[SpanChange, ...]:
        """Return how ``spans``, in order of time, differ from what was reported; they are reported now."""
        return tuple(self._changes(spans))

    def _changes(self, spans: Sequence[Span]) -> Iterator[SpanChange]:
        """Compare with the reported spans, oldest first."""
        free = list(self.known)
        for span in spans:
            known = next((a for a in free if span.start < a.span.end and span.end > a.span.start), None)
            if known is None:
                yield from self._report(span)
            else:
                free.remove(known)
                yield from self._revise(known, span)
        for gone in free:  # later evidence removed the span, but every open span must end
            if gone.span.open:
                yield self._revision(gone, "end", self._judge(gone, replace(gone.span, open=False)))

    def _report(self, span: Span) -> Iterator[SpanChange]:
        entry = Reported(span.start, span, span.end)
        self.known.append(entry)
        span = entry.span = self._judge(entry, span)
        yield SpanChange("new", entry.opened, 0, replace(span, open=True))
        if not span.open:
            yield self._revision(entry, "end", span)

    def _judge(self, known: Reported, span: Span) -> Span:
        """Return the span, marked if it is over budget. A span that was too unlikely is judged again when it rises."""
        if self._allowance is None:
            return span
        allowance, rises = self._allowance, span.peak > known.peak
        known.peak = max(known.peak, span.peak)
        if rises and not known.judged:
            known.judged = known.peak >= allowance.threshold
            known.over_budget = not (known.judged and allowance.take())
        if not (span.open or known.counted):
            known.counted = True
            allowance.count(known.peak)
        return replace(span, over_budget=known.over_budget)

    def _revise(self, known: Reported, span: Span) -> Iterator[SpanChange]:
        span = self._judge(known, span)
        within = known.span.over_budget and not span.over_budget
        closes = known.span.open and not span.open
        grown = span.end - known.reported_end >= self._update_every_s
        moved = abs(span.start - known.span.start) > SAME_S
        reopened_or_longer = not known.span.open and (span.open or abs(span.end - known.span.end) > SAME_S)
        if closes:
            yield self._revision(known, "end", span)
        elif grown or moved or within or reopened_or_longer:
            yield self._revision(known, "update", span)
        else:
            known.span = span

    def _revision(self, known: Reported, kind: SpanChangeType, span: Span) -> SpanChange:
        known.revision += 1
        known.span, known.reported_end = span, span.end
        return SpanChange(kind, known.opened, known.revision, span)
