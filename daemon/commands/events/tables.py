"""How ``watchword events`` shows events: a table, a line each, the details of one, a JSON document."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from daemon.commands.events.explaining import explained
from daemon.config.sections.cameras import UPLOADS
from daemon.logs.escaping import printable
from workers.events.event import Caption, Event, EventPart, Rule
from workers.events.timestamps import clock, clock_range, iso
from workers.publish.redis.reader import Entry

_BARS = "▁▂▃▄▅▆▇█"
_ID_SHOWN = 10
_WIDE = 110  # columns


def in_order(entries: list[Entry]) -> list[Entry]:
    """Return entries by start. Those of a file follow each other where the first of them was published."""
    first: dict[tuple[str, object], float] = {}
    for entry in entries:
        file = entry.event.camera, entry.event.segment
        first[file] = min(entry.published_s, first.get(file, entry.published_s))

    def moment(entry: Entry) -> tuple[float, float]:
        """Return what an event is sorted by: events of a file stay together."""
        event = entry.event
        return (event.start if event.live else first[event.camera, event.segment], event.start)

    return sorted(entries, key=moment)


def print_table(entries: list[Entry]) -> None:
    """Print a row for each entry."""
    names = [Column(name, overflow="fold") for name in ("camera", "event")]
    facts = [Column(name, no_wrap=True) for name in ("start", "end", "score", "state")]
    console = Console()
    wide = console.width >= _WIDE  # else what was heard would be cut to shreds; `show` tells it
    heard = [Column("heard")] if wide else []
    uploads = any(entry.event.camera == UPLOADS for entry in entries)
    file = [Column("file", overflow="fold")] if uploads else []
    table = Table(Column("id", no_wrap=True), *names, *file, *facts, *heard, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for entry in entries:
        event = entry.event
        cells = (
            event.id[:_ID_SHOWN],
            event.camera,
            event.event,
            *([upload_of(event)] if uploads else []),
            *_times(event),
            f"{event.score:.2f}",
            state_of(event),
            *([_heard(event)] if wide else []),
        )
        table.add_row(*map(_plain, cells))
    console.print(table)


def print_details(entry: Entry, explain: bool) -> None:
    """Print the fields of one event; ``explain``: why it was reported."""
    console = Console()
    summary = {} if explain else _summary(entry.event)  # in short what an explanation shows at length
    console.print(_details(entry, summary))
    if explain:
        console.print(explained(entry.event, console.width))
        path = entry.event.evidence.explanation
        console.print()
        console.print(_plain(f"picture: {path}" if path else "no picture was saved"), soft_wrap=True)


def _summary(event: Event) -> dict[str, str]:
    return {
        "along time": _sparkline([p for _, p in event.score_track]),
        "judged by": ", ".join(f"{name} {share:.0%}" for name, share in event.modalities.items()),
    }


def _details(entry: Entry, summary: dict[str, str]) -> Table:
    event, evidence, live = entry.event, entry.event.evidence, entry.event.live
    start, end = _times(event)
    rows = {
        "id": f"{event.id} revision {event.revision} ({state_of(event)})",
        "event": event.event,
        "described as": "; ".join(event.description),
        "what is seen": _caption(event.caption),
        "camera": event.camera,
        "made of": "; ".join(_part(part, live) for part in event.parts),
        "zone": " or ".join(event.zone),
        "file": event.source.file if event.source else None,
        "content": f"sha256 {event.source.sha256}" if event.source and event.source.sha256 else None,
        "from – to": f"{start} – {end} ({event.end - event.start:.1f} s)",
        "score": f"{event.score:.3f}{_rule(event.rule)}",
        "over budget": "yes: more such events happen than the budget allows as alerts" if event.over_budget else None,
        **summary,
        "best frames": ", ".join(f"{clock(t, live)} ({p:.2f})" for t, p in evidence.top_frames),
        "snapshot": evidence.snapshot,
        "clip": evidence.clip,
        "model": event.model,
        "published": iso(entry.published_s),
    }
    table = Table(Column(no_wrap=True), Column(overflow="fold"), show_header=False)
    for name, value in rows.items():
        if value:
            table.add_row(name, _plain(str(value)))
    for word in evidence.words:
        table.add_row("heard", _plain(f"{clock(word.start, live)} “{word.text}” ({word.confidence:.0%})"))
    return table


def _part(part: EventPart, live: bool) -> str:
    return f"{part.event} on {part.camera} at {clock(part.start, live)} ({part.score:.2f}, {part.id[:_ID_SHOWN]})"


def _caption(caption: Caption | None) -> str | None:
    if caption is None:
        return None
    attributes = f" ({', '.join(caption.attributes)})" if caption.attributes else ""
    return f"{caption.text}{attributes}, written by {caption.model}"


def _rule(rule: Rule) -> str:
    """Return the threshold of the decision, and the budget that was configured, from which it was derived."""
    threshold, budget = rule.threshold, rule.budget_per_hour or rule.max_false_alerts_per_hour
    if threshold is None:
        return ""
    return f" (threshold {threshold:.3f}" + (f", {budget * 24:.3g} false alerts a day)" if budget else ")")


def _plain(text: str) -> Text:
    """Return text without markup and without control characters for the terminal."""
    return Text(printable(text))


def as_document(entry: Entry) -> str:
    """Return the event as a JSON document of one line."""
    return printable(entry.event.to_json())


def as_line(event: Event) -> str:
    """Return what `tail` prints of a revision."""
    start, end = _times(event)
    where = " ".join(filter(None, (event.camera, upload_of(event))))
    what = f"{event.type:<6} {where} {event.event} {start} – {end}"
    what += " (over budget)" if event.over_budget else ""
    return printable(f"{what} {event.score:.2f} {event.id[:_ID_SHOWN]} {_heard(event)}".rstrip())


def upload_of(event: Event) -> str:
    """Return the file of an upload's event; of other cameras the name tells enough."""
    return event.source.file if event.source and event.camera == UPLOADS else ""


def state_of(event: Event) -> str:
    """Return whether the event is open, and over its budget."""
    state = "closed" if event.type == "end" else "open"
    return f"{state}, over budget" if event.over_budget else state


def _heard(event: Event) -> str:
    return " ".join(word.text.strip() for word in event.evidence.words)


def _times(event: Event) -> tuple[str, str]:
    return clock_range(event.start, event.end, event.live)


def _sparkline(track: list[float]) -> str:
    return "".join(_BARS[min(len(_BARS) - 1, max(0, int(p * len(_BARS))))] for p in track)
