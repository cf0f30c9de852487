"""``watchword models list|pull|info``: list, inspect and download models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.commands.exits import exit_on_error

if TYPE_CHECKING:
    from workers.models.catalogue import ModelEntry

app = typer.Typer(help="List, inspect and download models.", no_args_is_help=True, add_completion=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """List the models of every profile: installed or not, licence, size."""
    from workers.models.catalogue import list_models

    _show(list_models(), as_json)


@app.command("info")
def info_command(
    name: Annotated[str, typer.Argument(help="A name from `models list`, or a checkpoint file of `watchword train`.")],
    as_json: AsJson = False,
) -> None:
    """Show the details of one model, or the card of a checkpoint."""
    from workers.models.catalogue import info

    with exit_on_error():
        entry = _card(name) if name.endswith(".safetensors") else asdict(info(name))
    if as_json:
        typer.echo(json.dumps(entry, indent=2))
        return
    for key, value in entry.items():
        if value not in ("", None):
            typer.echo(f"{key}: {value}")


def _card(path: str) -> dict[str, Any]:
    from alignment.aligners.trained.checkpoint import read_card

    return read_card(Path(path))


@app.command("pull")
def pull_command(
    name: Annotated[
        str, typer.Argument(help="A name from `models list`, ARCHITECTURE/TAG of open_clip, or OWNER/NAME of the hub.")
    ],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit. Default: the latest.")] = None,
    as_json: AsJson = False,
) -> None:
    """Download a model from the hub (safetensors only), and print its folder."""
    with exit_on_error():
        entry = _pull(name, revision)
    typer.echo(json.dumps(asdict(entry), indent=2) if as_json else entry.path)


def _pull(name: str, revision: str | None) -> ModelEntry:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from workers.models.catalogue import pull

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        return pull(name, revision, lambda done, total: bar.update(task, completed=done, total=total))


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
        typer.echo(f"{missing.name} is not installed: {missing.hint}", err=True)
