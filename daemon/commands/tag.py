"""``watchword tag``: find described events in files."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from alignment.errors import ExitCode
from daemon.commands.exits import exit_on_error, names_of, report
from daemon.config import Config, config_from, load_config
from daemon.config.sections.cameras import UPLOADS
from daemon.logs.escaping import printable
from daemon.offline.exports import FORMATS, Format, Tagged
from daemon.offline.media_files import MediaFile, encodable, find_media, left_alone
from daemon.offline.progress import FileProgress
from daemon.offline.tagging import (
    Deliver,
    Outcome,
    Tagger,
    ToFiles,
    ToStream,
    models_in_words,
    offline_tagger,
    specs_of_texts,
    tag_media,
)
from workers.models.profiles import ProfileName
from workers.types import EventSpec

if TYPE_CHECKING:
    from daemon.offline.describing import FileDescriber

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


@dataclass(frozen=True, slots=True)
class Request:
    """What to tag and where results go. ``out``: a folder, ``-`` for stdout, None for beside each file.

    ``describer``: writes captions.
    """

    files: Sequence[str]
    specs: Sequence[EventSpec]
    form: OutputFormat
    out: str | None
    describer: "FileDescriber | None" = None


Files = Annotated[list[str], typer.Argument(help="Video files, or folders of them.", show_default=False)]
Events = Annotated[
    list[str] | None,
    typer.Option(
        "--event",
        "--events",
        "-e",
        help='Event to detect, in plain words ("a cat on the counter"); may be repeated. '
        "A name that ends in .yaml or .yml is read like --config.",
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file; its events, models and speech are used."),
]
Form = Annotated[
    OutputFormat | None,
    typer.Option("--format", "-f", help="Default: all three as files, json on stdout."),
]
Out = Annotated[
    str | None,
    typer.Option("--out", "-o", help="Folder for the results; -: stdout. Default: beside each file."),
]
Profile = Annotated[ProfileName | None, typer.Option(help="Encoder profile; overrides the configuration.")]
Explain = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        resolve_path=True,
        help="Save a snapshot of each event and an image that explains it; the results contain their paths.",
    ),
]
Clips = Annotated[
    bool, typer.Option("--clips", help="Save a short video of each event as well, in the folder of --explain.")
]
Describe = Annotated[
    bool,
    typer.Option(
        "--describe", help="Have the verifier of the configuration write captions of the events and of each file."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Short for --format json --out -.")]

app = typer.Typer(add_completion=False)


@app.command()
def tag(
    files: Files,
    events: Events = None,
    config: ConfigFile = None,
    form: Form = None,
    out: Out = None,
    profile: Profile = None,
    explain: Explain = None,
    clips: Clips = False,
    describe: Describe = False,
    as_json: AsJson = False,
) -> None:
    """Find described events in video files; write JSON, CSV and WebVTT.

    The results of NAME.mp4 are NAME.watchword.json, .csv and .vtt.

    A file that cannot be read is reported, the other files are tagged, and the exit code is 3; it is 2 if only results
    could not be written.
    """
    if as_json:
        form, out = form or OutputFormat.json, out or STDOUT
    form = form or (OutputFormat.json if out == STDOUT else OutputFormat.all)
    if clips and explain is None:
        raise typer.BadParameter("needs --explain DIR, the folder in which clips are saved", param_hint="--clips")
    with exit_on_error():
        settings, specs = _events(config, events or [])
        request = Request(files, specs, form, out, _describer(settings) if describe else None)
        loading = f"loading models: {models_in_words(settings, profile)}"
        code = run(request, lambda: offline_tagger(settings, profile, explain, clips), loading)
    if code is not ExitCode.OK:
        raise typer.Exit(code)


def run(request: Request, open_tagger: Callable[[], Tagger], loading: str = "") -> ExitCode:
    """Tag what is asked for; return the exit code of the first input that failed, else of the first result.

    The tagger is opened when needed; ``loading`` says what that loads.
    """
    files, refused = find_media(request.files)
    for unread in refused:
        report(unread.error)
    if left := left_alone(request.files):
        typer.echo(printable(f"left alone, as its ending is not one of a media file: {names_of(left)}"), err=True)
    deliver = _deliver(request, files)
    for unread in refused:
        deliver.failed(Tagged(encodable(unread.name), 0.0, (), error=unread.error))
    if not files:
        return ExitCode.INPUT_UNREADABLE
    console = Console(stderr=True)
    shown = not (request.out == STDOUT and sys.stdout.isatty())
    failed = [unread.error.exit_code for unread in refused]
    with FileProgress(len(files), console, shown, loading) as progress:
        for outcome in tag_media(files, request.specs, open_tagger(), deliver, progress, request.describer):
            progress.done(outcome.file.path)
            _tell(outcome, console)
            failed += [outcome.error.exit_code] if outcome.error else []
    return next((code for code in failed if code is ExitCode.INPUT_UNREADABLE), failed[0] if failed else ExitCode.OK)


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
    if settings and (zoned := [name for name, event in settings.described.items() if event.zone]):
        typer.echo(f"warning: files have no zones; not looked for: {', '.join(zoned)}", err=True)
    described = specs_of_texts(texts, [s.name for s in specs])
    if described:
        plain = {"events": {s.name: {"describe": list(s.describe)} for s in described}}
        specs += config_from(plain, Path.cwd(), "--event").event_specs()
    if not specs:
        raise typer.BadParameter("all events of the configuration are in zones; add --event", param_hint="--event")
    return settings, specs


def _describer(config: Config | None) -> "FileDescriber":
    from daemon.offline.describing import FileDescriber  # loads what talks to servers: not for `--help`
    from daemon.vlm.factory import clients_of

    client = clients_of(config).of(UPLOADS) if config else None
    if config is None or client is None:
        raise typer.BadParameter("needs `models.verifier` in the configuration", param_hint="--describe")
    return FileDescriber(config, client)


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
