"""The summary of a stretch of time of the live cameras, from the event log and the index. No daemon need run."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from alignment.summary.novelty import NovelMoment, novel_moments, novelty
from daemon.summary.features import clips_of
from daemon.summary.moments import Found, choose, curve_of
from daemon.summary.types import CameraDay, Curve, DaySummary, FileCount, Moment, RuleCount
from workers.events.event import Event
from workers.index.reader import IndexReader
from workers.index.shard import Shard
from workers.index.thumbnails import thumbnail_of
from workers.publish.log.view import LogQuery, LogView

MOST = 24  # moments
BEFORE_S = 86_400.0  # what a camera has shown for so long before is no news
LASTING_S = 86_400.0  # an event that began in that time may have ended so much later
LEAST_CLIPS = 60  # of a camera, to say what it usually shows
PAGE = 500
NO_INDEX = "there is no index of that time: what is unlike the usual is not known"


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, Unix seconds, and of which cameras; None: of all."""

    since: float
    until: float
    cameras: frozenset[str] | None = None


def summarise_day(log: LogView, index: IndexReader, span: Span, most: int = MOST) -> DaySummary:
    """Return the summary; raise ``EventLogError`` if the event log cannot be read."""
    events, files = _events(log, span)
    novel, curves, notes = _novel(index, span, most)
    by_camera: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_camera[event.camera].append(event)
    names = sorted(by_camera.keys() | curves.keys())
    found = [Found(name, True, by_camera.get(name, ()), novel.get(name, ())) for name in names]
    return DaySummary(
        span.since,
        span.until,
        tuple(CameraDay(name, len(by_camera.get(name, ())), curves.get(name, ())) for name in names),
        _rules(events),
        tuple(_pictured(moment, index) for moment in choose(found, most)),
        tuple(events),
        files,
        notes,
    )


def _events(log: LogView, span: Span) -> tuple[list[Event], tuple[FileCount, ...]]:
    """Return the events of live cameras by start, and the files that were watched."""
    live, files = list[Event](), Counter[str]()
    for event, at in _accepted(log, span):
        if event.live:
            if event.start < span.until and event.end >= span.since:
                live.append(event)
        elif at < span.until:
            files[event.source.file if event.source else event.camera] += 1
    live.sort(key=lambda e: (e.start, e.camera, e.id))
    return live, tuple(FileCount(file, count) for file, count in sorted(files.items()))


def _accepted(log: LogView, span: Span) -> Iterator[tuple[Event, float]]:
    """Yield the last revision of each event that may lie in a span, and the Unix time of its acceptance."""
    wanted = LogQuery(since=span.since, until=span.until + LASTING_S, cameras=span.cameras)
    before = None
    while page := log.page(wanted, PAGE, before):
        yield from ((record.event, record.at) for record in page)
        before = page[-1].seq


def _rules(events: Sequence[Event]) -> tuple[RuleCount, ...]:
    """Return the rules that reported something, the most frequent first."""
    by_rule: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_rule[event.event].append(event)
    counts = [
        RuleCount(rule, len(all_), sum(e.over_budget for e in all_), tuple(sorted({e.camera for e in all_})))
        for rule, all_ in by_rule.items()
    ]
    return tuple(sorted(counts, key=lambda count: (-count.count, count.event)))


def _novel(
    index: IndexReader, span: Span, most: int
) -> tuple[dict[str, Sequence[NovelMoment]], dict[str, Curve], tuple[str, ...]]:
    """Return the novel moments and the curve of each live camera of which there is an index, and what is not known."""
    novel, curves, notes = dict[str, Sequence[NovelMoment]](), dict[str, Curve](), list[str]()
    for name in index.cameras():
        if span.cameras is not None and name not in span.cameras:
            continue
        clips = clips_of(_live(index.shards([name], span.since, span.until)), span.since, span.until)
        if len(clips.t) < LEAST_CLIPS:
            continue
        earlier = clips_of(_live(index.shards([name], span.since - BEFORE_S, span.since)), until=span.since)
        same = earlier.encoder == clips.encoder
        found = novelty(clips.rows, clips.t, earlier.rows if same else None)
        novel[name], curves[name] = novel_moments(found, most), curve_of(found)
        if clips.other_encoders:
            notes.append(f"{name}: {clips.other_encoders} frames were seen by another model and are left out")
    return novel, curves, (*notes, *(() if curves else (NO_INDEX,)))


def _pictured(moment: Moment, index: IndexReader) -> Moment:
    """Return a moment with its thumbnail, if no event happens in it."""
    if moment.events:
        return moment
    for shard in _live(index.shards([moment.camera], moment.best, moment.best)):
        t = thumbnail_of(shard, moment.start, moment.end, moment.best)
        if t is not None:
            return replace(moment, thumbnail=(shard.info.tape.key, t))
    return moment


def _live(shards: Iterable[Shard]) -> Iterator[Shard]:
    return (shard for shard in shards if shard.info.tape.live)
