"""``watchword tag``: which described events are in these files, and when."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from alignment.errors import WatchwordError
from daemon.commands.exits import INPUT_UNREADABLE, ended, report
from daemon.config import Config, config_from, load_config
from daemon.exports import FORMATS, Format
from daemon.media_files import MediaFile, find_media
from daemon.progress import FileProgress
from daemon.tagging import (
    Deliver,
    Outcome,
    Tagger,
    ToFiles,
    ToStream,
    offline_tagger,
    specs_of_texts,
    tag_media,
)
from daemon.terminal import printable
from workers.types import EventSpec

STDOUT = "-"


class OutputFormat(StrEnum):
    """What to write."""

    json = "json"
    csv = "csv"
    vtt = "vtt"
    all = "all"


FORMS: dict[OutputFormat, tuple[Format, ...]] = {
    OutputFormat.json: ("json",),
    OutputFormat.csv: ("csv",),
    OutputFormat.vtt: ("vtt",),
    OutputFormat.all: FORMATS,
}


class ProfileName(StrEnum):
    """The encoder profiles."""

    lite = "lite"
    open_clip = "open_clip"
    transformers = "transformers"
    own = "own"


@dataclass(frozen=True, slots=True)
class Request:
    """What to tag and where results go. ``out``: a folder, ``-`` for stdout, None for beside each file."""

    files: Sequence[str]
    specs: Sequence[EventSpec]
    form: OutputFormat
    out: str | None


def tag(
    files: Annotated[list[str], typer.Argument(help="Video files, or folders of them.", show_default=False)],
    events: Annotated[
        list[str] | None,
        typer.Option(
            "--event",
            "--events",
            "-e",
            help='What to look or listen for, in plain words ("a cat on the counter"); may be repeated. '
            "A name that ends in .yaml or .yml is read like --config.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="A configuration: its events, models and speech."),
    ] = None,
    form: Annotated[
        OutputFormat | None,
        typer.Option("--format", "-f", help="Default: all three as files, json on standard output."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", help="Folder for the results; - is standard output. Default: beside each file."),
    ] = None,
    profile: Annotated[
        ProfileName | None, typer.Option(help="Encoder profile, instead of the configuration's.")
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", resolve_path=True, help="Save a picture of why each event was reported; results name it."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json --out -.")] = False,
) -> None:
    """Find described events in video files; write them as JSON, CSV and WebVTT.

    Results are NAME.watchword.json, .csv and .vtt.

    A file that cannot be read is reported, the others are tagged; the exit code is 3 then.
    """
    if as_json:
        form, out = form or OutputFormat.json, out or STDOUT
    form = form or (OutputFormat.json if out == STDOUT else OutputFormat.all)
    try:
        settings, specs = _events(config, events or [])
        request = Request(files, specs, form, out)
        ok = run(request, lambda: offline_tagger(settings, profile.value if profile else None, explain))
    except WatchwordError as e:
        raise ended(e) from e
    if not ok:
        raise typer.Exit(INPUT_UNREADABLE)


def run(request: Request, open_tagger: Callable[[], Tagger]) -> bool:
    """Tag what is asked for; return whether all input could be read. The tagger is opened when needed."""
    files, missing = find_media(request.files)
    for error in missing:
        report(error)
    if not files:
        return False
    deliver = _deliver(request, files)
    console = Console(stderr=True)
    shown = not (request.out == STDOUT and sys.stdout.isatty())
    ok = not missing
    with FileProgress(len(files), console, shown) as progress:
        for outcome in tag_media(files, request.specs, open_tagger(), deliver, progress):
            progress.done(outcome.file.path)
            _tell(outcome, console)
            ok = ok and outcome.error is None
    return ok


def _events(config: Path | None, events: Sequence[str]) -> tuple[Config | None, tuple[EventSpec, ...]]:
    """Return the settings and events; described ones are held to the configuration's rules as well."""
    configs = [config] if config else []
    configs += [Path(e) for e in events if Path(e).suffix.lower() in (".yaml", ".yml")]
    texts = [e for e in events if Path(e) not in configs]
    if len(configs) > 1:
        raise typer.BadParameter("there can be only one configuration", param_hint="--config")
    if not configs and not texts:
        raise typer.BadParameter('say what to look for: --event "a cat" or --config FILE', param_hint="--event")
    settings = load_config(configs[0], inputs_required=False) if configs else None
    specs = settings.event_specs() if settings else ()
    described = specs_of_texts(texts, [s.name for s in specs])
    if described:
        plain = {"events": {s.name: {"describe": list(s.describe)} for s in described}}
        specs += config_from(plain, Path.cwd(), "--event").event_specs()
    return settings, specs


def _deliver(request: Request, files: Sequence[MediaFile]) -> Deliver:
    forms = FORMS[request.form]
    if request.out != STDOUT:
        return ToFiles(files, forms, Path(request.out) if request.out else None)
    if len(forms) > 1 or (request.form is OutputFormat.vtt and len(files) > 1):
        raise typer.BadParameter("standard output takes json, csv, or vtt of a single file", param_hint="--format")
    return ToStream(forms[0], sys.stdout)


def _tell(outcome: Outcome, console: Console) -> None:
    for warning in outcome.warnings:
        _line(console, f"warning: {outcome.file.path}: {warning}")
    if outcome.error is not None:
        _line(console, f"error [{outcome.error.code}]: {outcome.file.path}: {outcome.error}")
    else:
        noun = "event" if outcome.events == 1 else "events"
        _line(console, f"{outcome.file.path}: {outcome.events} {noun} → {outcome.place}")


def _line(console: Console, text: str) -> None:
    console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
