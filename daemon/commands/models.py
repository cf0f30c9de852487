"""``watchword models list|pull|info``: which models there are, and getting one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alignment.errors import WatchwordError

if TYPE_CHECKING:
    from workers.models import ModelEntry

EXIT_USAGE = 2
EXIT_UNREACHABLE = 4

app = typer.Typer(help="Models: what there is, what is here, and getting one.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """List the models of every profile: installed or not, licence, size."""
    from workers.models import list_models

    _show(list_models(), as_json)


@app.command("info")
def info_command(
    name: Annotated[str, typer.Argument(help="A name that `models list` shows, or a file of `watchword train`.")],
    as_json: AsJson = False,
) -> None:
    """Show everything known about one model, or the card of a checkpoint."""
    from workers.models import info

    with _exit_codes():
        entry = _card(name) if name.endswith(".safetensors") else asdict(info(name))
    if as_json:
        typer.echo(json.dumps(entry, indent=2))
        return
    for key, value in entry.items():
        if value not in ("", None):
            typer.echo(f"{key}: {value}")


def _card(path: str) -> dict[str, Any]:
    from alignment.checkpoint import read_card

    return read_card(Path(path))


@app.command("pull")
def pull_command(
    name: Annotated[str, typer.Argument(help="A listed name, open_clip's ARCHITECTURE/TAG, or OWNER/NAME.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit; default: the newest.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a model from the hub (safetensors only). Prints the folder it is in."""
    with _exit_codes():
        entry = _pull(name, revision)
    typer.echo(json.dumps(asdict(entry), indent=2) if as_json else entry.path)


def _pull(name: str, revision: str | None) -> ModelEntry:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from workers.models import pull

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        return pull(name, revision, lambda done, total: bar.update(task, completed=done, total=total))


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Tell an error to the person and leave with the code that says whose fault it is."""
    from daemon.commands.exits import report

    try:
        yield
    except WatchwordError as error:
        report(error)
        raise typer.Exit(EXIT_UNREACHABLE if error.retryable else EXIT_USAGE) from error


def _show(entries: Sequence[ModelEntry], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([asdict(e) for e in entries], indent=2))
        return
    rows = [("MODEL", "PROFILE", "PART", "HERE", "MB", "LICENCE")]
    rows += [
        (e.name, e.profile, e.part, "yes" if e.installed else "no", f"{e.size_mb:.0f}", e.licence) for e in entries
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    gap = "  " if sum(widths) + 2 * len(widths) <= get_terminal_size().columns else " "
    for row in rows:
        typer.echo(gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for missing in (e for e in entries if e.hint):
        typer.echo(f"{missing.name} is not here: {missing.hint}", err=True)
