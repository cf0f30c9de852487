"""Moments that may answer a question: from the index, and from the event log by rules and by words."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Protocol

from daemon.asking.planning import MOST_FOUND, Lookup
from daemon.config.sections.cameras import UPLOADS
from daemon.search.request import SearchRequest
from daemon.search.results import Found, Moment
from daemon.search.scoring import Kind
from workers.events.event import Event
from workers.events.folder import EvidenceFolder
from workers.publish.log.view import LogQuery, LogView

MOST_MOMENTS = 8
MOST_EVENTS = 1000  # that are counted, and of which those of one list are chosen, the newest
LASTING_S = 86_400.0  # after its beginning, by when an event has had its last revision
LIKELY = 0.5  # a moment below that is used only if it has a picture, or if speech was found in it


class Finder(Protocol):
    """The search of the index."""

    def find(self, request: SearchRequest, visible: Collection[str] | None = None) -> Found:
        """Return the best moments."""
        ...

    def thumbnail(self, camera: str, key: str, t: float) -> bytes | None:
        """Return the thumbnail of a moment; None if there is none."""
        ...

    def upload_of(self, camera: str, key: str) -> Path | None:
        """Return where an uploaded file lies; None if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Clue:
    """A moment that may answer a question. ``event``: that of the log which it is, or which overlaps it.

    ``found_by``: the description that found it in the index.
    """

    moment: Moment
    event: Event | None = None
    found_by: str | None = None


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The clues to a question in order of time, and how many hours of each camera were searched.

    ``events_of``: how many events there were of each rule that was looked for, without those a verifier rejected.
    """

    clues: tuple[Clue, ...]
    hours_of: Mapping[str, float]
    events_of: Mapping[str, int]


def retrieve(wanted: Lookup, finder: Finder, log: LogView, evidence: EvidenceFolder) -> Retrieved:
    """Return the best clues, as many of each kind as there is room for; raise ``WatchwordError``."""
    lists, hours_of = list[Sequence[Clue]](), dict[str, float]()
    for request in wanted.requests:
        found = finder.find(request, wanted.cameras)
        if request.classes and request.text and not found.moments:  # perhaps no detector ran at that time
            found = finder.find(replace(request, classes=()), wanted.cameras)
        hours_of |= {name: max(hours, hours_of.get(name, 0.0)) for name, hours in found.hours_of.items()}
        by = request.text or " or ".join(request.classes) or request.words
        lists.append([_of_index(m, by, wanted, log) for m in found.moments if _is_of_use(m)])
    events_of = dict[str, int]()
    lists = [*_events(wanted, finder, log, evidence, events_of), *lists]
    return Retrieved(tuple(sorted(_chosen(lists), key=_order)), hours_of, events_of)


def _is_of_use(moment: Moment) -> bool:
    return moment.score >= LIKELY or moment.picture or moment.upload or moment.by == Kind.SAID.value


def _of_index(moment: Moment, found_by: str, wanted: Lookup, log: LogView) -> Clue:
    records = log.revisions(moment.event) if moment.event else []
    if not records or not wanted.cameras.issuperset(records[-1].event.cameras):
        return Clue(replace(moment, event=None, picture=False, plays=moment.upload), None, found_by)
    return Clue(moment, records[-1].event, found_by)


def _events(
    wanted: Lookup, finder: Finder, log: LogView, evidence: EvidenceFolder, events_of: dict[str, int]
) -> Iterator[Sequence[Clue]]:
    """Yield the events of each rule and those with each words, newest first; without both those of any rule.

    Count those of rules in ``events_of``.
    """
    queries = [LogQuery(event=rule) for rule in wanted.rules] + [LogQuery(text=text) for text in wanted.words]
    if wanted.all_events:
        queries.append(LogQuery())
    for query in queries:
        until = None if wanted.until is None else wanted.until + LASTING_S
        query = replace(query, cameras=wanted.cameras, since=wanted.since, until=until)
        by_rule = defaultdict[str, list[Event]](list)
        for record in log.page(query, MOST_EVENTS):
            if _in_time(record.event, record.at, wanted):
                by_rule[record.event.event].append(record.event)
        if query.text is None:
            events_of |= {rule: sum(map(_stands, events)) for rule, events in by_rule.items()}
        for events in by_rule.values():
            yield [Clue(_moment(event, finder, evidence), event) for event in events[:MOST_FOUND]]


def _stands(event: Event) -> bool:
    return event.verification is None or event.verification.verdict != "rejected"


def _in_time(event: Event, at: float, wanted: Lookup) -> bool:
    start, end = (event.start, event.end) if event.live else (at, at)
    return (wanted.since is None or end >= wanted.since) and (wanted.until is None or start <= wanted.until)


def _moment(event: Event, finder: Finder, evidence: EvidenceFolder) -> Moment:
    """Return an event as a search would have found it."""
    key, shown = event.segment.rpartition("/")[0], event.evidence
    upload = event.camera == UPLOADS and finder.upload_of(event.camera, key) is not None
    return Moment(
        camera=event.camera,
        key=key,
        file=event.source.file if event.source else None,
        live=event.live,
        start=event.start,
        end=event.end,
        peak=shown.top_frames[0][0] if shown.top_frames else (event.start + event.end) / 2,
        score=event.score,
        by="event",
        said=" ".join(word.text.strip() for word in shown.words),
        start_unix=event.start_unix,
        end_unix=event.end_unix,
        event=event.id,
        picture=evidence.may_hold(shown.snapshot),
        plays=upload or evidence.may_hold(shown.clip),
        upload=upload,
    )


def _chosen(lists: Sequence[Sequence[Clue]]) -> list[Clue]:
    """Return the first of each list, then the second of each, without what shows the same."""
    chosen: list[Clue] = []
    for one in chain.from_iterable(zip_longest(*lists)):
        if one is not None and len(chosen) < MOST_MOMENTS and not any(_same(one, other) for other in chosen):
            chosen.append(one)
    return chosen


def _same(one: Clue, other: Clue) -> bool:
    a, b = one.moment, other.moment
    if a.event is not None and a.event == b.event:
        return True
    return (a.camera, a.key) == (b.camera, b.key) and a.start < b.end and b.start < a.end


def _order(clue: Clue) -> tuple[bool, str, str, float]:
    """Return what orders clues: live ones by time, then files by name and time."""
    moment = clue.moment
    return not moment.live, moment.file or "", "" if moment.live else moment.key, moment.start
