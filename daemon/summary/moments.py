"""Choice of the most telling moments: every rule in turn gives its best one, and a quarter is for what is novel."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from alignment.summary.novelty import NovelMoment, Novelty
from daemon.summary.types import Curve, Moment
from workers.events.event import Event

BEFORE_S, AFTER_S = 3.0, 5.0  # shown around the best second of an event or of what is novel
EDGE_S = 1.0  # shown before and after an event that is shorter
NOVEL_SHARE = 1 / 4
CURVE_POINTS = 288  # of a day: one for five minutes


@dataclass(frozen=True, slots=True)
class Found:
    """What one camera or file has to choose from."""

    camera: str
    live: bool
    events: Sequence[Event]
    novel: Sequence[NovelMoment]


def choose(found: Iterable[Found], most: int) -> tuple[Moment, ...]:
    """Return at most ``most`` moments in order of time. Events that overlap are one moment."""
    moments = [moment for one in found for moment in _moments(one)]
    ruled = _in_turn([m for m in moments if m.events])
    novel = sorted((m for m in moments if not m.events), key=lambda m: -(m.novelty or 0.0))
    kept = min(len(novel), max(int(most * NOVEL_SHARE), most - len(ruled)))
    chosen = [*ruled[: most - kept], *novel[:kept]]
    return tuple(sorted(chosen, key=lambda m: (m.start, m.camera)))


def curve_of(found: Novelty) -> Curve:
    """Return a curve of at most ``CURVE_POINTS``: of each stretch of time its highest value."""
    size = max(1, -(-len(found.t) // CURVE_POINTS))
    points = []
    for first in range(0, len(found.t), size):
        highest = first + int(found.values[first : first + size].argmax())
        points.append((round(float(found.t[highest]), 1), round(float(found.values[highest]), 2)))
    return tuple(points)


def best_of(event: Event) -> float:
    """Return the stream second in which an event is most probable."""
    points = event.evidence.top_frames or event.score_track
    return max(points, key=lambda point: point[1])[0] if points else (event.start + event.end) / 2


def _moments(found: Found) -> list[Moment]:
    moments: list[Moment] = []
    for event in sorted(found.events, key=lambda e: (e.over_budget, -e.score, e.start)):
        shown = _shown(found, best_of(event), event.start - EDGE_S, event.end + EDGE_S)
        at = _overlapping(moments, shown)
        if at is None:
            moments.append(replace(shown, events=(event,)))
        else:
            moments[at] = replace(moments[at], events=(*moments[at].events, event))
    for peak in found.novel:
        shown = _shown(found, peak.best, peak.start, peak.end)
        at = _overlapping(moments, shown)
        if at is None:
            moments.append(replace(shown, novelty=peak.novelty))
        else:
            moments[at] = replace(moments[at], novelty=max(peak.novelty, moments[at].novelty or 0.0))
    return moments


def _shown(found: Found, best: float, start: float, end: float) -> Moment:
    """Return the moment around ``best`` within ``start`` and ``end``; of a file nothing lies before 0."""
    first = max(start, best - BEFORE_S) if found.live else max(start, best - BEFORE_S, 0.0)
    return Moment(found.camera, first, max(min(end, best + AFTER_S), first + EDGE_S), best, found.live)


def _overlapping(moments: Sequence[Moment], shown: Moment) -> int | None:
    return next((i for i, m in enumerate(moments) if m.start < shown.end and shown.start < m.end), None)


def _in_turn(moments: Sequence[Moment]) -> list[Moment]:
    """Return moments so that each rule in turn, the rarest first, gives its best: in budget, novel, surest."""
    counts = Counter(m.events[0].event for m in moments)
    best = sorted(moments, key=lambda m: (m.events[0].over_budget, m.novelty is None, -m.events[0].score, m.start))
    rules = sorted(counts, key=lambda rule: (counts[rule], rule))
    queues = [deque(m for m in best if m.events[0].event == rule) for rule in rules]
    ordered: list[Moment] = []
    while len(ordered) < len(moments):
        ordered += [queue.popleft() for queue in queues if queue]
    return ordered
