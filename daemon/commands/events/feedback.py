"""``watchword feedback``: judge events, see and choose what was learned, export what was judged."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from alignment.errors import ExitCode
from daemon.alerts.links import VERDICTS
from daemon.commands.exits import exit_on_error
from daemon.config import Config, load_config
from daemon.feedback.types import WAITS_FOR
from daemon.logs.escaping import printable
from workers.state_layout import StateLayout

if TYPE_CHECKING:
    from daemon.feedback.judge import Judge, Learned

app = typer.Typer(help="Judge events, and choose what was learned from it.", no_args_is_help=True, add_completion=False)

ConfigFile = Annotated[Path, typer.Option("--config", help="The configuration file.")]
DEFAULT = Path("config.yaml")


@app.command()
def give(
    event: Annotated[str, typer.Argument(metavar="ID", help="Id of the event, or its first characters.")],
    verdict: Annotated[str, typer.Argument(help="right, wrong, or none to take back what was said.")],
    config: ConfigFile = DEFAULT,
) -> None:
    """Say whether an event is what its rule describes. The running daemon learns from it within a second."""
    from workers.publish.log.view import LogView

    said = next((known for known in VERDICTS if known == verdict), None)
    if said is None and verdict != "none":
        raise typer.BadParameter(f"{verdict!r} is not one of right, wrong, none", param_hint="VERDICT")
    with exit_on_error():
        layout = StateLayout(_loaded(config).state_dir)
        judge = _judge(layout)
        ids = {path.stem for path in layout.feedback_samples.glob("*/*.safetensors") if path.stem.startswith(event)}
        ids |= {click.event_id for name in judge.events() for click in judge.learned(name).clicks} & {event}
        if len(ids) != 1:
            raise typer.BadParameter(f"{len(ids)} events that can be judged have an id like {event!r}", param_hint="ID")
        (event_id,) = ids
        if said is None:
            judge.take_back(event_id)
            typer.echo(f"{event_id}: nothing said")
            return
        records = LogView(layout.event_log).revisions(event_id)
        if not records:
            raise typer.BadParameter(f"event {event_id} is not in the event log any more", param_hint="ID")
        judge.judge(records[-1].event, said, time.time())
    typer.echo(f"{event_id}: {said}")


@app.command("list")
def list_learned(
    config: ConfigFile = DEFAULT,
    event: Annotated[str | None, typer.Option("--event", help="Only this event.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document per line.")] = False,
) -> None:
    """List what was learned: the versions of each event, how each does in shadow, and which one is in force."""
    with exit_on_error():
        judge = _judge(StateLayout(_loaded(config).state_dir))
        found = {name: judge.learned(name) for name in judge.events() if event in (None, name)}
    if as_json:
        for name, learned in found.items():
            typer.echo(json.dumps(_document(name, learned), ensure_ascii=False))
        return
    names = ("event", "version", "in force", "wrong left", "right kept", "last days", "waits for")
    table = Table(*(Column(name, overflow="fold") for name in names), title="Feedback", title_justify="left")
    for row in (cells for name, learned in found.items() for cells in _rows(name, learned)):
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(width=None if Console().is_terminal else 160).print(table)


@app.command()
def choose(
    event: Annotated[str, typer.Argument(help="Name of the event.")],
    version: Annotated[
        str,
        typer.Argument(help="A version, 0: none, `back`: the one before, `auto`: whichever is better from now on."),
    ],
    config: ConfigFile = DEFAULT,
) -> None:
    """Choose which version is in force. The running daemon takes it up without a restart."""
    if not (version.isdecimal() or version in ("back", "auto")):
        raise typer.BadParameter(f"{version!r} is no version, and neither back nor auto", param_hint="VERSION")
    with exit_on_error():
        judge = _judge(StateLayout(_loaded(config).state_dir))
        if event not in judge.events():
            raise typer.BadParameter(f"nobody has judged events of {event!r}", param_hint="EVENT")
        if version == "back":
            judge.back(event)
        else:
            judge.choose(event, None if version == "auto" else int(version))
        chosen = judge.learned(event).choice.version
    typer.echo(f"{event}: {f'version {chosen}' if chosen else 'none'} in force")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Folder to write: annotations.jsonl and the videos.")],
    config: ConfigFile = DEFAULT,
    event: Annotated[str | None, typer.Option("--event", help="Only this event.")] = None,
) -> None:
    """Write judged events as annotations for `watchword train` and `eval`."""
    from daemon.feedback.export import FILE
    from daemon.feedback.export import export as write

    with exit_on_error():
        loaded = _loaded(config)
        judge = _judge(StateLayout(loaded.state_dir))
        clicks = [c for name in judge.events() if event in (None, name) for c in judge.learned(name).clicks]
        lines, gone = write(clicks, loaded.evidence_folder(), _uploads(loaded), folder)
    typer.echo(f"{lines} lines in {folder / FILE}")
    if gone:
        typer.echo(printable(f"watchword: the videos of {len(gone)} judged events are gone: {gone[0]} …"), err=True)
    if not lines:
        raise typer.Exit(ExitCode.UNEXPECTED)


def _uploads(config: Config) -> dict[str, Path]:
    """Return where uploads are that were watched, by their path below the folder."""
    done = config.uploads.done if config.uploads else None
    paths = done.rglob("*") if done is not None else ()
    return {str(path.relative_to(done)): path for path in paths if done is not None and path.is_file()}


def _rows(name: str, learned: "Learned") -> Iterator[tuple[str, ...]]:
    for version in learned.versions:
        report, recent = version.report, version.report["recent"]
        force = version.number == learned.choice.version
        yield (
            name,
            str(version.number),
            ("held" if learned.choice.held else "yes") if force else "",
            f"{report['wrong_kept']} of {report['wrong']}",
            f"{report['right_kept']} of {report['right']}",
            f"{recent['kept']} of {recent['events']}",
            WAITS_FOR[report["waits_for"]],
        )


def _document(name: str, learned: "Learned") -> dict[str, object]:
    versions = [{"number": v.number, "at": v.at, **v.report} for v in learned.versions]
    choice = {"in_force": learned.choice.version, "held": learned.choice.held}
    return {"event": name, "clicks": len(learned.clicks), **choice, "versions": versions}


def _loaded(config: Path) -> Config:
    return load_config(config, inputs_required=False)


def _judge(layout: StateLayout) -> "Judge":
    from daemon.feedback.judge import Judge

    return Judge(layout)
