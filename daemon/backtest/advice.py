"""What can be learned from the hits of a backtest: the budget that holds, and what they look like."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alignment.spans.allowance import Allowance
from alignment.synthetic.captions import with_article
from alignment.types import EventQuery
from daemon.backtest.parts import by_objects_alone
from daemon.backtest.types import Hit
from workers.decisions.budgets.look_alikes import Namer
from workers.queries.keywords import content_words
from workers.services.clients import result_of

BUDGETS = {
    "1/week": 1 / 168,
    "3/week": 3 / 168,
    "1/day": 1 / 24,
    "2/day": 2 / 24,
    "3/day": 3 / 24,
    "5/day": 5 / 24,
    "10/day": 10 / 24,
    "1/h": 1.0,
    "2/h": 2.0,
    "5/h": 5.0,
    "10/h": 10.0,
    "20/h": 20.0,
    "60/h": 60.0,
}


@dataclass(frozen=True, slots=True)
class LookAlike:
    """A name of what hits show that the description does not say; ``unlike``: the contrast that excludes it."""

    name: str
    hits: int
    unlike: str
    first: str  # id of a hit that shows it


def holding_budget(hits: Iterable[Sequence[Hit]]) -> str | None:
    """Return the smallest budget under which no hit would have been over budget; None if none is large enough.

    ``hits`` of each camera, which has a budget of its own, in order of time.
    """
    cameras = [found for found in hits if found]
    return next((name for name, rate in BUDGETS.items() if all(_holds(rate, found) for found in cameras)), None)


def look_alikes(hits: Iterable[Hit], query: EventQuery, describe: Sequence[str], namer: Namer) -> tuple[LookAlike, ...]:
    """Return what hits show that the description does not name, the most frequent first.

    None where only detected objects decide: a contrast has no say there. Which hits are right is not known here: a name
    may be a kind of what is described.
    """
    if by_objects_alone(query):
        return ()
    said = {word.lower() for text in describe for word in content_words(text)}
    shown = [(hit, result_of(namer.nearest_name(hit.frame[None]), "encoder")) for hit in hits if hit.frame is not None]
    others = [(hit, name) for hit, name in shown if name and said.isdisjoint(name.lower().split())]
    first = {name: hit.id for hit, name in reversed(others)}
    counted = Counter(name for _, name in others).most_common()
    return tuple(LookAlike(name, count, with_article(name), first[name]) for name, count in counted)


def _holds(per_hour: float, hits: Sequence[Hit]) -> bool:
    """Return whether the allowance of a budget has room for all hits of one camera."""
    allowance, until = Allowance(per_hour), hits[0].start
    for hit in hits:
        allowance.watch(max(0.0, hit.start - until) / 3600)
        until = max(until, hit.start)
        if hit.peak < allowance.threshold or not allowance.take():
            return False
        allowance.count(hit.peak)
    return True
