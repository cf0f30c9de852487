"""``watchword doctor``: check this machine, with advice for each finding."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from alignment.errors import ExitCode
from daemon.commands.exits import exit_on_error
from daemon.config import load_config
from daemon.doctor import EMBEDDED, Check, examine, usable
from daemon.logs.setup import register_secrets
from workers.redaction import RedactedUrl

MARKS = {"ok": Text("ok", "green"), "warn": Text("warn", "yellow"), "fail": Text("fail", "bold red")}


app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    config: Annotated[
        Path | None, typer.Argument(help="A configuration: its verifiers are tried, which costs two calls of each.")
    ] = None,
    redis: Annotated[
        str, typer.Option("--redis", metavar="URL", envvar="WATCHWORD_REDIS_URL", help="Redis server to check.")
    ] = EMBEDDED,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check decoders, hardware, models and Redis on this machine, and the verifiers of a configuration.

    The exit code is 1 if the daemon cannot run here.
    """
    with exit_on_error():
        loaded = load_config(config, inputs_required=False) if config else None
    register_secrets(loaded.secrets() if loaded else ())
    checks = tuple(_shown_progress(examine(RedactedUrl(redis), loaded.verifiers() if loaded else ())))
    if as_json:
        document = {"usable": usable(checks), "checks": [asdict(check) for check in checks]}
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        Console(soft_wrap=not sys.stdout.isatty()).print(table(checks))
    raise typer.Exit(ExitCode.OK if usable(checks) else ExitCode.UNEXPECTED)


def _shown_progress(checks: Iterable[Check]) -> Iterable[Check]:
    with Console(stderr=True).status("checking this machine") as status:
        for check in checks:
            status.update(f"{check.area}: {check.name}")
            yield check


def table(checks: tuple[Check, ...]) -> Table:
    """Return the findings as a table with one section per area."""
    columns = [Column(name, overflow="fold") for name in ("what", "found", "what improves it")]
    shown = Table("", *columns, title="Watchword on this machine", title_justify="left")
    area = checks[0].area
    for check in checks:
        if check.area != area:
            shown.add_section()
            area = check.area
        shown.add_row(MARKS[check.status], Text(check.name), Text(check.detail), Text(check.advice))
    return shown
