"""Rules over time on spans that are all known, as those of a file, or of a stretch of the past."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from alignment.temporal.evaluator import Evaluator
from alignment.temporal.expressions import Expression
from alignment.temporal.types import Change, Key, Occurrence, Part, Progress


def replayed(expression: Expression, parts: Iterable[Part], watched: Sequence[Progress]) -> list[Occurrence]:
    """Return the occurrences that live evaluation would have found, in the order in which they were complete.

    ``watched``: the stretches of time in which each source was watched, in order. What goes on at the end ends there.
    """
    found: dict[Key, Occurrence] = {}
    for change in replay(expression, parts, watched):
        found[change.occurrence.key] = change.occurrence
    return sorted(found.values(), key=lambda o: (o.onset, o.start, o.key))


def replay(expression: Expression, parts: Iterable[Part], watched: Sequence[Progress]) -> Iterator[Change]:
    """Yield the changes by which they are found: each span is known as a whole when it begins."""
    evaluator = Evaluator(expression)
    waiting = sorted(parts, key=lambda part: (part.start, part.id))
    bounds = {bound for stretch in watched for bound in (stretch.since, stretch.until)}
    for now in sorted({part.start for part in waiting} | bounds):
        coming = [part for part in waiting if part.start <= now]
        waiting = waiting[len(coming) :]
        known = [replace(stretch, until=min(stretch.until, now)) for stretch in watched if stretch.since <= now]
        yield from evaluator.step(coming, known)
    yield from evaluator.finish()
