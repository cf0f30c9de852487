"""``watchword run``: the daemon itself."""

import json
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.table import Column, Table

from alignment.errors import WatchwordError
from daemon.commands.exits import INPUT_UNREADABLE, ended
from daemon.config import load_config
from daemon.logs import configure_logs, register_secrets
from daemon.terminal import printable
from workers.types import Event

UNREACHABLE = 4


def run(
    config: Annotated[Path, typer.Argument(help="The configuration file.")] = Path("config.yaml"),
    once: Annotated[bool, typer.Option("--once", help="Stop when every file has ended, and print the events.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: print one event a line as JSON.")] = False,
) -> None:
    """Watch the configured cameras and publish what happens."""
    try:
        loaded = load_config(config)
        configure_logs(loaded.logs.format, loaded.logs.level)
        register_secrets(loaded.secrets())
        from daemon.lifecycle import Daemon  # loads the models' libraries: not for `--help`

        outcome = Daemon(loaded, once).run()
    except WatchwordError as error:
        raise ended(error) from error
    except Exception as error:  # a traceback on standard error would be no log line
        structlog.get_logger("daemon").exception("the daemon failed: this is a bug, please report it")
        raise typer.Exit(1) from error
    if once:
        show(outcome.events, as_json)
    if once and outcome.failed:
        why = "; ".join(f"{name}: {error}" for name, error in outcome.failed.items())
        typer.echo(printable(f"input could not be read: {why}"), err=True)
        raise typer.Exit(INPUT_UNREADABLE)
    if not outcome.flushed:
        raise typer.Exit(UNREACHABLE)


def show(events: tuple[Event, ...], as_json: bool) -> None:
    """Print events to stdout, by camera and time."""
    ordered = sorted(events, key=lambda e: (e.camera, e.start, e.event))
    if as_json:
        for event in ordered:
            typer.echo(json.dumps(event.body, ensure_ascii=False))
        return
    names = (Column("camera", overflow="fold"), Column("event", overflow="fold"))
    table = Table(*names, "start s", "end s", "score", "by", "id", title="Detected events")
    for event in ordered:
        shares = event.body["modalities"]
        strongest = max(shares, key=lambda m: shares[m])
        times = (f"{event.start:.1f}", f"{event.end:.1f}", f"{event.score:.2f}")
        table.add_row(event.camera, event.event, *times, strongest, event.id[:10])
    Console().print(table)
