"""``watchword events``: follow the stream, list what happened, look at one event."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from alignment.errors import WatchwordError
from daemon.commands.exits import ended
from daemon.commands.explaining import explained
from daemon.config import load_config
from daemon.state import require_known
from daemon.terminal import printable
from workers.publish.embedded import EmbeddedServer
from workers.publish.reader import Entry, EventReader, Wanted
from workers.publish.redis_errors import RedisUnreachable
from workers.publish.redis_settings import RedisSettings
from workers.redaction import RedactedUrl
from workers.state_layout import StateLayout
from workers.timestamps import clock, clock_range
from workers.types import Event

app = typer.Typer(help="Read events from the stream.", no_args_is_help=True)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BARS = "▁▂▃▄▅▆▇█"
_ID_SHOWN = 10
_WIDE = 110  # columns

RedisUrl = Annotated[
    str | None,
    typer.Option("--redis", metavar="URL", envvar="WATCHWORD_REDIS_URL", help="Server; default: the embedded one."),
]
Stream = Annotated[str, typer.Option(help="Name of the stream.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="Read where this configuration publishes.")]
StateDir = Annotated[Path, typer.Option(envvar="WATCHWORD_STATE_DIR", help="The daemon's state folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document a line.")]
Camera = Annotated[str | None, typer.Option(help="Only this camera.")]
EventName = Annotated[str | None, typer.Option("--event", help="Only this event.")]

_STREAM = "watchword:events"
_STATE = Path(".watchword")


@app.command()
def tail(
    camera: Camera = None,
    event: EventName = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest entry kept.")] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    redis: RedisUrl = None,
    stream: Stream = _STREAM,
    state_dir: StateDir = _STATE,
) -> None:
    """Show every revision as it is published, until Ctrl-C."""
    with _exit_codes(), _reader(_where(config, redis, stream, state_dir), start=False) as reader:
        for entry in reader.tail(Wanted(camera, event), "0" if from_start else "$"):
            if entry:
                typer.echo(_json(entry) if as_json else _line(entry.event))


@app.command("list")
def list_events(
    since: Annotated[str | None, typer.Option(metavar="AGO", help="Published since: 90s, 15m, 1h, 2d.")] = None,
    until: Annotated[str | None, typer.Option(metavar="AGO", help="Published until.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, counted from the last.")] = 50,
    camera: Camera = None,
    event: EventName = None,
    all_revisions: Annotated[bool, typer.Option("--all-revisions", help="Not only the latest of each event.")] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    redis: RedisUrl = None,
    stream: Stream = _STREAM,
    state_dir: StateDir = _STATE,
) -> None:
    """List the last events, oldest first."""
    wanted = Wanted(camera, event, _ago(since, "--since"), _ago(until, "--until"))
    with _exit_codes(), _reader(_where(config, redis, stream, state_dir), start=True) as reader:
        entries = reader.revisions(wanted, limit) if all_revisions else reader.latest(wanted, limit)
        _print_entries(entries, as_json)


@app.command()
def show(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="The event's id, or how it starts.")],
    explain: Annotated[
        bool, typer.Option("--explain", help="Show why it was reported, and where its picture is.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    redis: RedisUrl = None,
    stream: Stream = _STREAM,
    state_dir: StateDir = _STATE,
) -> None:
    """Show the latest revision of one event."""
    with _exit_codes(), _reader(_where(config, redis, stream, state_dir), start=True) as reader:
        found = reader.find(event_id)
    if len(found) == 1 and as_json:
        typer.echo(_json(found[0]))
    elif len(found) == 1:
        _show(found[0], explain)
    elif found:
        names = ", ".join(sorted(e.event.id for e in found)[:8])
        _say(f"{len(found)} events start with {event_id}: {names} — give more of the id")
        raise typer.Exit(2)
    else:
        _say(f"no event {event_id} in the stream — `watchword events list` shows what it holds")
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Where:
    """The stream to read: of the server at ``url``, or of the embedded one of ``state_dir``."""

    url: RedactedUrl | None
    stream: str
    state_dir: Path
    cluster: bool = False


def _where(config: Path | None, url: str | None, stream: str, state_dir: Path) -> Where:
    """Return what the options name; what a configuration says comes before the other options."""
    if config is not None:
        loaded = load_config(config)
        there = None if loaded.redis.url == RedactedUrl("embedded") else loaded.redis.url
        return Where(there, loaded.redis.stream, loaded.state_dir, loaded.redis.cluster)
    return Where(None if url in (None, "embedded") else RedactedUrl(str(url)), stream, state_dir)


@contextmanager
def _reader(where: Where, start: bool) -> Iterator[EventReader]:
    """Yield a reader of the named server, else the embedded one, started for the moment with ``start``."""
    server, url = None, where.url
    if url is None:
        require_known(where.state_dir)
    found = None if url else EmbeddedServer.discover(where.state_dir)
    if url is None and found is None:
        if not start or not (StateLayout(where.state_dir).redis / "appendonlydir").is_dir():
            text = f"no embedded server runs for {where.state_dir}"
            raise RedisUnreachable(
                text, "start `watchword run`, or name a server with --redis or a folder with --state-dir"
            )
        server = EmbeddedServer(where.state_dir, brief=True)
        found = server.start()
    try:
        address = url or RedactedUrl(str(found))
        reader = EventReader(RedisSettings(address, where.stream, cluster=where.cluster))
        try:
            yield reader
        finally:
            reader.close()
    finally:
        if server:
            server.stop()


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Turn errors into a line for people and the exit codes of all commands."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except WatchwordError as error:
        raise ended(error) from None


def _say(text: str) -> None:
    typer.echo(printable(f"watchword: {text}"), err=True)


def _ago(text: str | None, option: str) -> float | None:
    """Return the Unix time that ``text`` (a number and a unit) lies back."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if not match:
        raise typer.BadParameter(f"{text!r} is no time: write 90s, 15m, 1h or 2d", param_hint=option)
    return time.time() - float(match[1]) * _UNITS[match[2]]


def _print_entries(entries: list[Entry], as_json: bool) -> None:
    if as_json:
        for entry in entries:
            typer.echo(_json(entry))
        return
    names = [Column(name, overflow="fold") for name in ("camera", "event")]
    facts = [Column(name, no_wrap=True) for name in ("start", "end", "score", "state")]
    console = Console()
    wide = console.width >= _WIDE  # else what was heard would be cut to shreds; `show` tells it
    heard = [Column("heard")] if wide else []
    table = Table(Column("id", no_wrap=True), *names, *facts, *heard, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for entry in entries:
        event = entry.event
        cells = (
            event.id[:_ID_SHOWN],
            event.camera,
            event.event,
            *_times(event),
            f"{event.score:.2f}",
            _state(event),
            *([_heard(event)] if wide else []),
        )
        table.add_row(*map(_plain, cells))
    console.print(table)


def _show(entry: Entry, explain: bool) -> None:
    console = Console()
    summary = {} if explain else _summary(entry.event.body)  # in short what an explanation shows at length
    console.print(_details(entry, summary))
    if explain:
        console.print(explained(entry.event, console.width))
        path = entry.event.body["evidence"].get("explanation")
        console.print()
        console.print(_plain(f"picture: {path}" if path else "no picture was saved"), soft_wrap=True)


def _summary(body: dict[str, Any]) -> dict[str, str]:
    return {
        "along time": _sparkline([float(p) for _, p in body.get("score_track", ())]),
        "judged by": ", ".join(f"{name} {share:.0%}" for name, share in body.get("modalities", {}).items()),
    }


def _details(entry: Entry, summary: dict[str, str]) -> Table:
    event, body = entry.event, entry.event.body
    start, end = _times(event)
    evidence, live = body.get("evidence", {}), bool(body.get("live"))
    rows = {
        "id": f"{event.id} revision {event.revision} ({_state(event)})",
        "event": event.event,
        "described as": "; ".join(body.get("description", ())),
        "camera": event.camera,
        "from – to": f"{start} – {end} ({event.end - event.start:.1f} s)",
        "score": f"{event.score:.3f}{_rule(body.get('rule', {}))}",
        **summary,
        "best frames": ", ".join(f"{clock(t, live)} ({p:.2f})" for t, p in evidence.get("top_frames", ())),
        "snapshot": evidence.get("snapshot") or "",
        "clip": evidence.get("clip") or "",
        "model": body.get("model", ""),
        "published": datetime.fromtimestamp(entry.published_s, UTC).isoformat(timespec="seconds"),
    }
    table = Table(Column(no_wrap=True), Column(overflow="fold"), show_header=False)
    for name, value in rows.items():
        if value:
            table.add_row(name, _plain(str(value)))
    for word in evidence.get("words", ()):
        table.add_row("heard", _plain(f"{clock(word['start'], live)} “{word['text']}” ({word['confidence']:.0%})"))
    return table


def _rule(rule: Mapping[str, float | None]) -> str:
    """Return the threshold that was in force, and the budget it follows."""
    threshold, budget = rule.get("threshold"), rule.get("max_false_alerts_per_hour")
    if threshold is None:
        return ""
    return f" (threshold {threshold:.3f}" + (f", {budget * 24:.3g} false alerts a day)" if budget else ")")


def _plain(text: str) -> Text:
    """Return text as it is: no markup, nothing that speech or names could tell a terminal."""
    return Text(printable(text))


def _json(entry: Entry) -> str:
    return printable(json.dumps(entry.event.body, ensure_ascii=False))


def _line(event: Event) -> str:
    start, end = _times(event)
    what = f"{event.type:<6} {event.camera} {event.event} {start} – {end}"
    return printable(f"{what} {event.score:.2f} {event.id[:_ID_SHOWN]} {_heard(event)}".rstrip())


def _state(event: Event) -> str:
    return "closed" if event.type == "end" else "open"


def _heard(event: Event) -> str:
    return " ".join(str(w["text"]).strip() for w in event.body.get("evidence", {}).get("words", ()))


def _times(event: Event) -> tuple[str, str]:
    return clock_range(event.start, event.end, bool(event.body.get("live")))


def _sparkline(track: list[float]) -> str:
    return "".join(_BARS[min(len(_BARS) - 1, max(0, int(p * len(_BARS))))] for p in track)
