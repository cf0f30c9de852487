"""Summaries as JSON, as WebVTT chapters, and in words for a terminal."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from daemon.offline.exports import vtt_line, vtt_time
from daemon.summary.footage import Footage, footage_of, unusual_picture
from daemon.summary.types import Curve, DaySummary, FileSummary, Moment
from workers.events.event import Event
from workers.events.folder import EvidenceFolder

SCHEMA = 1


def day_document(summary: DaySummary, evidence: EvidenceFolder) -> dict[str, Any]:
    """Return the document of a stretch of time, with what ``evidence`` has of its moments on this machine."""
    footage = footage_of(summary, evidence)
    shown = {(one.moment.camera, one.moment.start): one for one in footage}
    return {
        "schema": SCHEMA,
        "since": summary.since,
        "until": summary.until,
        "cameras": [
            {"name": camera.name, "events": camera.events, "novelty": _curve(camera.curve)}
            for camera in summary.cameras
        ],
        "rules": [
            {"event": r.event, "count": r.count, "over_budget": r.over_budget, "cameras": list(r.cameras)}
            for r in summary.rules
        ],
        "moments": [
            _moment(moment, shown.get((moment.camera, moment.start)), unusual_picture(moment, evidence))
            for moment in summary.moments
        ],
        "events": [_event(event) | {"camera": event.camera} for event in summary.events],
        "files": [{"file": one.file, "events": one.events} for one in summary.files],
        "notes": list(summary.notes),
    }


def file_document(summary: FileSummary) -> dict[str, Any]:
    """Return the document of a file."""
    return {
        "schema": SCHEMA,
        "file": summary.file,
        "duration": round(summary.duration, 3),
        "tags": [
            {"name": tag.name, "kind": tag.kind, "seconds": tag.seconds, "best": round(tag.best, 3)}
            for tag in summary.tags
        ],
        "chapters": [
            {"start": round(one.chapter.start, 3), "end": round(one.chapter.end, 3), "title": one.title}
            for one in summary.chapters
        ],
        "highlights": [_moment(moment, None, None) for moment in summary.highlights],
        "novelty": _curve(summary.curve),
        "notes": list(summary.notes),
    }


def chapters_vtt(summary: FileSummary, titles: Mapping[float, str] | None = None) -> str:
    """Return the chapters as WebVTT, one cue each; its identifier is its number. ``titles``: better ones by start."""
    blocks = ["WEBVTT"]
    for number, one in enumerate(summary.chapters, 1):
        start, end = (round(1000 * t) for t in (one.chapter.start, one.chapter.end))
        title = (titles or {}).get(one.chapter.start) or one.title
        times = f"{vtt_time(start)} --> {vtt_time(max(end, start + 1))}"
        blocks.append(f"{number}\n{times}\n{vtt_line(title) or f'Chapter {number}'}")
    return "\n\n".join(blocks) + "\n"


def day_lines(summary: DaySummary) -> Iterator[str]:
    """Yield the lines of a stretch of time in words, with local times."""
    yield f"{_local(summary.since)} – {_local(summary.until)}"
    if not summary.events and not any(camera.curve for camera in summary.cameras):
        yield "nothing is recorded of live cameras in that time"
    for rule in summary.rules:
        beyond = f", {rule.over_budget} of them over budget" if rule.over_budget else ""
        yield f"  {rule.event}: {rule.count} × on {', '.join(rule.cameras)}{beyond}"
    if summary.moments:
        yield "moments:"
    for moment in summary.moments:
        yield f"  {_local(moment.start)}  {moment.camera}: {reason(moment)}"
    for file in summary.files:
        yield f"file {file.file}: {file.events} {'event' if file.events == 1 else 'events'}"
    yield from (f"note: {note}" for note in summary.notes)


def file_lines(summary: FileSummary) -> Iterator[str]:
    """Yield the lines of a file in words."""
    yield f"{summary.file}: {_offset(summary.duration)}"
    for kind in ("seen", "heard"):
        names = [f"{tag.name} ({tag.seconds:.0f} s)" for tag in summary.tags if tag.kind == kind]
        if names:
            yield f"  {kind}: {', '.join(names)}"
    for number, one in enumerate(summary.chapters, 1):
        yield f"  chapter {_offset(one.chapter.start)} – {_offset(one.chapter.end)}  {one.title or number}"
    for moment in summary.highlights:
        yield f"  highlight {_offset(moment.start)} – {_offset(moment.end)}  {reason(moment)}"
    yield from (f"  note: {note}" for note in summary.notes)


def reason(moment: Moment) -> str:
    """Return why a moment was chosen, in words."""
    names = [f"{event.event} {event.score:.2f}" for event in moment.events]
    names += [f"unlike the usual ({moment.novelty:.0f})"] if moment.novelty is not None else []
    return ", ".join(names) or "typical"


def _moment(moment: Moment, footage: Footage | None, picture: float | None) -> dict[str, Any]:
    return {
        "camera": moment.camera,
        "live": moment.live,
        "start": round(moment.start, 3),
        "end": round(moment.end, 3),
        "best": round(moment.best, 3),
        "novelty": None if moment.novelty is None else round(moment.novelty, 2),
        "events": [_event(event) for event in moment.events],
        "clip": None if footage is None else {"event": footage.event.id, "at": round(footage.at, 3)},
        "picture": picture,
        "thumbnail": None if moment.thumbnail is None else {"key": moment.thumbnail[0], "at": moment.thumbnail[1]},
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "event": event.event,
        "description": list(event.description),
        "start": round(event.start, 3),
        "end": round(event.end, 3),
        "score": round(event.score, 4),
        "over_budget": event.over_budget,
        "snapshot": event.evidence.snapshot is not None,
    }


def _curve(curve: Curve) -> list[list[float]]:
    return [list(point) for point in curve]


def _local(unix: float) -> str:
    return datetime.fromtimestamp(unix).strftime("%Y-%m-%d %H:%M:%S")


def _offset(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
