"""``watchword run``: the daemon."""

from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from alignment.errors import ExitCode
from daemon.commands.events.tables import upload_of
from daemon.commands.exits import exit_on_error, names_of
from daemon.config import Config, load_config
from daemon.config.sections.cameras import UPLOADS
from daemon.logs.escaping import printable
from daemon.logs.setup import configure_logs, register_secrets
from workers.events.event import Event

log = structlog.get_logger(__name__)

app = typer.Typer(add_completion=False)


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="The configuration file.")] = Path("config.yaml"),
    once: Annotated[
        bool,
        typer.Option("--once", help="Stop when all files have ended and all cameras were tried; print the events."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: print one JSON document per event.")] = False,
) -> None:
    """Watch the configured cameras and publish events."""
    with exit_on_error():
        loaded = load_config(config)
        configure_logs(loaded.logs.format, loaded.logs.level)
        register_secrets(loaded.secrets())
        for doubt in loaded.warnings:
            log.warning("check the configuration", key=doubt.key, line=doubt.line, doubt=doubt.message, hint=doubt.hint)
        from daemon.service.daemon import Daemon  # loads the models' libraries: not for `--help`

        outcome = Daemon(loaded, once, config).run()
    if once:
        show(outcome.events, as_json)
    if once and outcome.events and not as_json:
        first = outcome.events[0].id[:10]
        typer.echo(
            f"\npictures: {_pictures(loaded)}\n"
            f"why an event was reported: watchword events show {first} {config} --explain\n"
            'your own video: watchword tag VIDEO --event "a person at the door"',
            err=True,
        )
    if once and (left := outcome.left_alone):
        names = [f"{name} ({why})" for name, why in left.items()]
        typer.echo(printable(f"left alone in the folder of uploads: {names_of(names)}"), err=True)
    if once and outcome.failed:
        why = "; ".join(f"{name}: {error}" for name, error in outcome.failed.items())
        typer.echo(printable(f"input could not be read: {why}"), err=True)
        raise typer.Exit(ExitCode.INPUT_UNREADABLE)
    if not outcome.flushed:
        raise typer.Exit(ExitCode.UNREACHABLE)


def _pictures(config: Config) -> str:
    """Return where the pictures of events are: a folder, or a URL."""
    folder = config.evidence_folder()
    return str(folder.local.resolve()) if folder.remote is None else folder.remote.shown


def show(events: tuple[Event, ...], as_json: bool) -> None:
    """Print events to stdout, by camera and time."""
    ordered = sorted(events, key=lambda e: (e.camera, upload_of(e), e.start, e.event))
    if as_json:
        for event in ordered:
            typer.echo(event.to_json())
        return
    uploads = any(event.camera == UPLOADS for event in ordered)
    names = [Column(name, overflow="fold") for name in ("camera", *(["file"] if uploads else []), "event")]
    table = Table(*names, "start s", "end s", "score", "by", "id", title="Detected events")
    for event in ordered:
        shares = event.modalities
        strongest = max(shares, key=lambda m: shares[m])
        times = (f"{event.start:.1f}", f"{event.end:.1f}", f"{event.score:.2f}")
        file = [Text(printable(upload_of(event)))] if uploads else []
        table.add_row(event.camera, *file, event.event, *times, strongest, event.id[:10])
    Console().print(table)
