"""``watchword alerts``: try targets, list what was sent and suppressed, send again."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from alignment.errors import ExitCode
from daemon.alerts.types import STATES, AlertRow, AlertState
from daemon.commands.exits import exit_on_error
from daemon.commands.moments import parse_moment
from daemon.config import Config, load_config
from daemon.logs.escaping import printable
from daemon.logs.setup import register_secrets, scrub
from workers.state_layout import StateLayout

if TYPE_CHECKING:
    from daemon.alerts.store.history import AlertStore

app = typer.Typer(
    help="Try targets of alerts, list alerts, and send them again.", no_args_is_help=True, add_completion=False
)

ConfigFile = Annotated[Path, typer.Argument(help="The configuration file.")]
Target = Annotated[str | None, typer.Option(help="Only this target.")]
DEFAULT = Path("config.yaml")


@app.command("test")
def try_target(
    target: Annotated[str, typer.Argument(help="Name of a target in the configuration; `all`: every target.")],
    config: ConfigFile = DEFAULT,
) -> None:
    """Send a test message with a picture to a target, and say whether it arrived. Needs no running daemon."""
    with exit_on_error():
        loaded = _loaded(config)
        names = list(loaded.alerts.targets) if target == "all" else [target]
        if not names or not set(names) <= loaded.alerts.targets.keys():
            known = ", ".join(loaded.alerts.targets) or "none"
            raise typer.BadParameter(f"no target is called {target!r}; targets are {known}", param_hint="TARGET")
        from daemon.alerts.trial import send_test  # loads what sends

        failed = 0
        for name in names:
            error = send_test(loaded, name)
            failed += error is not None
            text = f"{name}: delivered" if error is None else f"{name}: error [{error.code}]: {error}"
            typer.echo(printable(scrub(text)), err=error is not None)
    if failed:
        raise typer.Exit(ExitCode.UNREACHABLE)


@app.command("list")
def list_alerts(
    config: ConfigFile = DEFAULT,
    state: Annotated[str | None, typer.Option(help=f"Only this state: {', '.join(STATES)}.")] = None,
    target: Target = None,
    camera: Annotated[str | None, typer.Option(help="Only this camera.")] = None,
    event: Annotated[str | None, typer.Option("--event", help="Only this event.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help='Only events since then: "15 minutes", 2d, yesterday, 18:30.')
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Number of alerts, counted from the latest.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document per line.")] = False,
) -> None:
    """List alerts: waiting, delivered, suppressed with the reason, and given up (dead letters)."""
    from daemon.alerts.store.history import AlertQuery

    with exit_on_error():
        wanted = AlertQuery(
            camera, event, target, _state(state), since=parse_moment(since, "--since") if since else None
        )
        rows = _store(_loaded(config)).page(wanted, limit)[::-1]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row.as_document(), ensure_ascii=False))
        return
    names = ("time", "camera", "event", "target", "state", "why", "id")
    table = Table(*(Column(name, overflow="fold") for name in names), title="Alerts", title_justify="left")
    for row in rows:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.at))
        cells = (at, row.camera, row.event, row.target, row.state, _why(row), row.id)
        table.add_row(*(Text(printable(scrub(cell))) for cell in cells))
    Console(width=None if Console().is_terminal else 160).print(table)


@app.command()
def replay(
    alert: Annotated[str | None, typer.Argument(help="Id of an alert, or its first characters.")] = None,
    config: Annotated[Path, typer.Option("--config", help="The configuration file.")] = DEFAULT,
    dead: Annotated[bool, typer.Option("--dead", help="All dead letters.")] = False,
    target: Target = None,
) -> None:
    """Send an alert again: one that was delivered, suppressed, or given up. The running daemon sends it at once."""
    from daemon.alerts.store.history import AlertQuery

    if (alert is None) is not dead:
        raise typer.BadParameter("give either the id of an alert or --dead", param_hint="ALERT")
    with exit_on_error():
        loaded = _loaded(config)
        store = _store(loaded)
        rows = store.page(AlertQuery(target=target, state="dead"), 10_000) if alert is None else store.find(alert)
        if alert is not None and len(rows) != 1:
            raise typer.BadParameter(f"{len(rows)} alerts have an id that begins with {alert!r}", param_hint="ALERT")
        again = [row for row in rows if row.state != "pending"]
        if gone := sorted({row.target for row in again} - loaded.alerts.targets.keys()):
            raise typer.BadParameter(f"not configured any more: target {', '.join(gone)}", param_hint="ALERT")
        for row in again[::-1]:
            store.replay(row, time.time(), loaded.alerts.retry_for)
    typer.echo(f"{len(again)} to be sent again, {len(rows) - len(again)} wait already")


def _loaded(config: Path) -> Config:
    loaded = load_config(config, inputs_required=False)
    register_secrets(loaded.secrets())
    return loaded


def _store(config: Config) -> "AlertStore":
    from daemon.alerts.store.history import AlertStore

    return AlertStore(StateLayout(config.state_dir).alerts)


def _state(text: str | None) -> AlertState | None:
    found = next((state for state in STATES if state == text), None)
    if text is not None and found is None:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(STATES)}", param_hint="--state")
    return found


def _why(row: AlertRow) -> str:
    """Return in words why an alert is in its state."""
    parts = [row.reason.replace("_", " "), row.error, "possible duplicate" if row.possible_duplicate else ""]
    if row.attempts > 1 or row.error:
        parts.append(f"{row.attempts} attempts")
    return "; ".join(part for part in parts if part)
