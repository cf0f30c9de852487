"""``watchword backtest``: what a rule would have reported in the past."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from daemon.commands.exits import exit_on_error
from daemon.commands.moments import parse_moment
from daemon.config import load_config
from daemon.config.units import parse_rate

if TYPE_CHECKING:
    from daemon.backtest.request import Decision
    from daemon.backtest.run import Backtest, BacktestModels, OnEstimate, OnProgress
    from daemon.config import Config
    from workers.index.reader import IndexReader

LAST = "7d"

app = typer.Typer(add_completion=False)


@app.command()
def backtest(
    config: Annotated[Path, typer.Argument(help="The configuration file.")] = Path("config.yaml"),
    event: Annotated[
        str, typer.Option(help="An event of the configuration, by name, or a description in plain words.")
    ] = "",
    last: Annotated[
        str | None, typer.Option(metavar="TIME", help=f"How far back: 24h, 7d. Default: {LAST}, without --from.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help='From then on: 2026-05-01T18:30, yesterday, "2 days".')
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Until then. Default: now.")] = None,
    camera: Annotated[str | None, typer.Option(help="Only this camera; uploads: only uploaded files.")] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Decide by this threshold instead of the rule's own.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help='Decide by this false-alert budget, like "1/day", instead of the rule\'s own.')
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Show what a rule would have reported in the past.

    It decides again on what the index keeps, exactly as the daemon would have. It shows each event, how many events a
    day each threshold would have given, the budget that would have held, what the events look like, and which time
    cannot be judged, because it was not recorded or not with what the rule needs. Nothing is published.
    """
    if not event.strip():
        raise typer.BadParameter("name an event, or describe one in words", param_hint="--event")
    if last and since:
        raise typer.BadParameter("give either --last or --from", param_hint="--last")
    if threshold is not None and budget is not None:
        raise typer.BadParameter("give either --threshold or --budget", param_hint="--threshold")
    now = time.time()
    begin = parse_moment(since, "--from") if since else parse_moment(last or LAST, "--last")
    end = parse_moment(until, "--to") if until else now
    if begin >= end:
        raise typer.BadParameter("ends before it begins", param_hint="--from")
    with exit_on_error():
        from daemon.backtest.request import Decision  # loads what would slow down `--help`

        decision = Decision(threshold, _rate(budget) if budget else None)
        settings = load_config(config)
        if event in settings.over_time:
            _over_time(settings, event, (begin, end), camera, decision, as_json)
            return
        found = run(settings, event, (begin, end), camera, decision)
    if as_json:
        from daemon.backtest.document import backtest_document

        typer.echo(json.dumps(backtest_document(found), ensure_ascii=False, indent=2))
    else:
        from daemon.commands.recorded.trying import print_backtest

        print_backtest(found)


def _over_time(
    config: Config, event: str, period: tuple[float, float], camera: str | None, decision: Decision, as_json: bool
) -> None:
    """Show what a rule over time would have found."""
    from daemon.backtest.over_time import backtest_over_time, made_document
    from daemon.backtest.types import Period
    from daemon.commands.recorded.trying import print_made

    if decision.threshold is not None or decision.per_hour is not None:
        raise typer.BadParameter(
            "a rule over time has neither threshold nor budget: its parts have", param_hint="--event"
        )
    with _trying(config) as (index, models, on_progress, _):
        found = backtest_over_time(event, config, index, models, Period(*period), camera, on_progress)
    if as_json:
        typer.echo(json.dumps(made_document(found, event, Period(*period)), ensure_ascii=False, indent=2))
    else:
        print_made(found)


def run(config: Config, event: str, period: tuple[float, float], camera: str | None, decision: Decision) -> Backtest:
    """Try a rule on the index of a configuration; raise ``WatchwordError``."""
    from daemon.backtest.request import trial_of
    from daemon.backtest.run import backtest as decide_again
    from daemon.backtest.types import Period

    trial = trial_of(event, config, _index(config).cameras(), Period(*period), camera, decision)
    with _trying(config) as (index, models, on_progress, on_estimate):
        return decide_again(trial, index, models, on_progress, on_estimate=on_estimate)


def _index(config: Config) -> IndexReader:
    from workers.index.reader import IndexReader
    from workers.state_layout import StateLayout

    return IndexReader(StateLayout(config.state_dir).index)


@contextmanager
def _trying(config: Config) -> Iterator[tuple[IndexReader, BacktestModels, OnProgress, OnEstimate]]:
    """Yield the index, the models, a callback that shows progress as a bar, and one that prints the estimate."""
    from daemon.backtest.models import loaded_models
    from daemon.commands.recorded.trying import print_estimate
    from daemon.logs.setup import configure_logs

    configure_logs(config.logs.format, "warning")
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("loading models", total=None)
        with loaded_models(config) as models:
            bar.update(task, description="frames")
            yield (
                _index(config),
                models,
                lambda done, total: bar.update(task, completed=done, total=total),
                lambda found: print_estimate(found, bar.console),
            )


def _rate(text: str) -> float:
    try:
        return parse_rate(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--budget") from None
