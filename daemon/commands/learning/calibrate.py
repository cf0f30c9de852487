"""``watchword calibrate``: where the embedding space of a model lies, on this machine."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from alignment.errors import ExitCode
from daemon.commands.exits import exit_on_error, report
from daemon.config import load_config
from daemon.logs.escaping import printable
from daemon.offline.media_files import VIDEO_SUFFIXES, find_media
from daemon.offline.progress import FileProgress
from daemon.offline.tagging import offline_settings
from workers.errors import SourceNotFound
from workers.models.profiles import PROFILES, ProfileName

if TYPE_CHECKING:
    from daemon.offline.calibrating import Calibrated, Videos
    from daemon.offline.runner import OfflineSettings

DEFAULT_CONFIG = Path("config.yaml")
ROWS = (
    ("z-score of what a frame shows", "true", 1),
    ("z-score of other descriptions", "others", 1),
    ("cosine of a frame and a name", "gap", 2),
    ("cosine of two names", "texts", 2),
    ("cosine of two frames", "frames_alike", 2),
)

app = typer.Typer(add_completion=False)


@app.command()
def calibrate(
    config: Annotated[
        Path | None, typer.Argument(help="A configuration: its models. Default: config.yaml, if there is one.")
    ] = None,
    profile: Annotated[ProfileName | None, typer.Option(help="Encoder profile; overrides the configuration.")] = None,
    videos: Annotated[
        Path | None,
        typer.Option(
            help="Folder with some minutes of your own video, or a file. Default: the bundled sample, which is known."
        ),
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="What is true in these videos, as for `watchword eval`; with --videos.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure how well a model tells what frames show, and set what can be set.

    The measure is the z-score of a frame's cosine with a description among its cosines with a thousand names. In a
    good space descriptions of what a frame shows lie above 4, and 99 % of all others below.

    What is set is stored with the model; `run`, `tag` and `eval` use it. A model is measured on the bundled sample when
    it is first used; your own videos say more about your cameras.
    """
    if annotations and not videos:
        raise typer.BadParameter("used with --videos only", param_hint="--annotations")
    with exit_on_error():
        settings = _settings(config, profile)
        model, found = run(settings, videos, annotations)
        for error in found.errors:
            report(error)
    document = as_document(model, found)
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        show(document)
    if found.errors:
        raise typer.Exit(ExitCode.INPUT_UNREADABLE)


def run(settings: OfflineSettings, videos: Path | None, annotations: Path | None) -> tuple[str, Calibrated]:
    """Measure the encoder of ``settings``; return its id and what was found."""
    from daemon.offline.calibrating import calibrate as measure  # loads torch: not for `--help`
    from workers.encoders.registry import load_encoder
    from workers.models.device import fitting

    given, console = _videos(settings, videos, annotations), Console(stderr=True)
    with console.status(f"loading the profile {settings.models.profile}"), fitting("the encoder"):
        encoder = load_encoder(settings.models)
    with FileProgress(max(1, len(given.files)), console) as progress:
        return encoder.info.id, measure(encoder, given, progress)


def as_document(model: str, found: Calibrated) -> dict[str, Any]:
    """Return the result for JSON."""
    from alignment.evaluation.space import grade, in_words

    strength = {"strength": found.figures.strength, "file": str(found.place)} if found.place else None
    return {
        "model": model,
        "measured_on": "the sample" if found.videos is None else f"{found.videos} videos",
        "grade": grade(found.figures),
        "in_words": list(in_words(found.figures)),
        "figures": asdict(found.figures),
        "set": strength,
        "not_set": found.why_not,
    }


def show(document: dict[str, Any]) -> None:
    """Print the result as a table and in words."""
    figures, seen = document["figures"], document["measured_on"]
    title = f"{document['model']}, {figures['frames']} frames of {seen}"
    table = Table("", "1 %", "median", "99 %", "pairs", title=title, title_justify="left")
    for name, key, digits in ROWS:
        if spread := figures[key]:
            cells = [f"{spread[column]:.{digits}f}" for column in ("low", "median", "high")]
            table.add_row(name, *cells, str(spread["count"]), end_section=key == "others")
    Console(soft_wrap=not sys.stdout.isatty()).print(table)
    typer.echo(f"Highest z-score of a name: {figures['strength']:.2f} on average, r = {figures['r']:.2f}.")
    for line in document["in_words"]:
        typer.echo(line)
    if document["set"]:
        typer.echo(printable(f"Set: strength {document['set']['strength']:.2f}, in {document['set']['file']}"))
    else:
        typer.echo(printable(f"Nothing is set: {document['not_set']}."))


def _settings(config: Path | None, profile: ProfileName | None) -> OfflineSettings:
    if config is None and profile is None and DEFAULT_CONFIG.is_file():
        config = DEFAULT_CONFIG
    settings = offline_settings(load_config(config, inputs_required=False) if config else None, profile)
    chosen = PROFILES[settings.models.profile]
    if not chosen.knows_names:
        raise typer.BadParameter(f"{chosen.note}. Test it with `watchword eval`", param_hint="--profile")
    return settings


def _videos(settings: OfflineSettings, folder: Path | None, annotations: Path | None) -> Videos:
    from daemon.evaluation.run import read_annotations
    from daemon.offline.calibrating import Videos

    if folder is None:
        return Videos()
    media, refused = find_media([str(folder)])
    files = [file.path for file in media if folder.is_file() or file.path.suffix.lower() in VIDEO_SUFFIXES]
    errors = tuple(each.error for each in refused)
    if not files:
        raise next(iter(errors), SourceNotFound(f"{folder} has no videos", "give some minutes of your own video"))
    known: dict[str, list[Any]] = {}
    for annotation in read_annotations(annotations) if annotations else ():
        if annotation.modality not in ("speech", "sound"):
            known.setdefault(annotation.vid, []).append(annotation)
    return Videos(files, known, settings.limits, errors)
