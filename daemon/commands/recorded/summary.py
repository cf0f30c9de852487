"""``watchword summary``: the telling moments of a day of the cameras, or of video files."""

import json
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from alignment.errors import ExitCode, WatchwordError
from daemon.commands.exits import exit_on_error, report
from daemon.commands.moments import parse_moment
from daemon.config import Config, load_config
from daemon.logs.escaping import printable
from daemon.offline.exports import write_atomic
from daemon.offline.media_files import find_media
from daemon.offline.progress import FileProgress
from daemon.offline.tagging import models_in_words, offline_settings, specs_of_texts
from daemon.service.state_folder import require_known
from workers.models.profiles import ProfileName
from workers.state_layout import StateLayout
from workers.types import EventSpec

if TYPE_CHECKING:
    from daemon.summary.day import Span
    from daemon.summary.types import FileSummary
    from workers.sources.clips.joining import Order

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where results go besides stdout."""

    as_json: bool
    video: Path | None
    chapters: Path | None


@app.command()
def summary(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Video files, or folders of them. Default: a day of the cameras.", show_default=False),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="Configuration file. Of a day: the daemon's, by default config.yaml. Of files: its events, models "
            "and speech are used.",
        ),
    ] = None,
    date: Annotated[
        str | None, typer.Option(metavar="DAY", help="Like 2026-11-30, today or yesterday. Default: today.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Like 2026-05-01T18:30, 18:30 or 2h: local time.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Like --from. Default: now.")] = None,
    camera: Annotated[list[str] | None, typer.Option(help="Only this camera; may be repeated.")] = None,
    events: Annotated[
        list[str] | None,
        typer.Option("--event", "-e", help="Of files: an event to look for, in plain words; may be repeated."),
    ] = None,
    most: Annotated[
        int | None, typer.Option(min=1, max=100, help="Number of moments. Default: 24 of a day, 12 of a file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document per line.")] = False,
    video: Annotated[
        Path | None, typer.Option(metavar="OUT.mp4", help="Write the moments as a short video, without encoding again.")
    ] = None,
    chapters: Annotated[
        Path | None, typer.Option(metavar="OUT.vtt", help="Write the chapters of a file as WebVTT.")
    ] = None,
    profile: Annotated[ProfileName | None, typer.Option(help="Of files: encoder profile.")] = None,
) -> None:
    """Sum up a day of the cameras, or video files: moments, chapters, a short video.

    A day is read from the state folder; the daemon may run or not. A short video is one file, or several (OUT-2.mp4 …)
    where cameras send unlike video.

    Exit codes: 0 done; 2 wrong options or configuration; 3 a file, or all video of the moments, cannot be read.
    """
    outputs = Outputs(as_json, video, chapters)
    if files:
        if since or until or date or camera:
            raise typer.BadParameter("they are for a day of the cameras", param_hint="--date, --from, --to, --camera")
        with exit_on_error():
            settings = load_config(config, inputs_required=False) if config else None
            code = _sum_up_files(files, settings, _specs(settings, events or []), profile, most, outputs)
        if code is not ExitCode.OK:
            raise typer.Exit(code)
        return
    if chapters or events or profile:
        raise typer.BadParameter("they are for files: name one", param_hint="--chapters, --event, --profile")
    span = _span(date, since, until, camera)
    with exit_on_error():
        _sum_up_day(load_config(config or Path("config.yaml"), inputs_required=False), span, most, outputs)


def _span(date: str | None, since: str | None, until: str | None, cameras: Sequence[str] | None) -> "Span":
    from daemon.summary.day import Span  # loads numpy: not for `--help`

    if date and (since or until):
        raise typer.BadParameter("is another way to say --from and --to", param_hint="--date")
    now = time.time()
    if since:
        first, last = parse_moment(since, "--from"), parse_moment(until, "--to") if until else now
    else:
        day = datetime.fromtimestamp(parse_moment(date or "today", "--date")).date()
        first = datetime.combine(day, datetime.min.time()).timestamp()
        following = datetime.combine(day + timedelta(days=1), datetime.min.time()).timestamp()
        last = parse_moment(until, "--to") if until else min(following, now)
    if not first < last:
        raise typer.BadParameter("must be later than the beginning, which must not be in the future", param_hint="--to")
    return Span(first, last, frozenset(cameras) if cameras else None)


def _sum_up_day(config: Config, span: "Span", most: int | None, outputs: Outputs) -> None:
    from daemon.summary.day import MOST, summarise_day
    from daemon.summary.documents import day_document, day_lines
    from daemon.summary.footage import footage_of
    from workers.index.reader import IndexReader
    from workers.publish.log.view import LogView
    from workers.sources.clips.joining import Order

    require_known(config.state_dir)
    layout, evidence = StateLayout(config.state_dir), config.evidence_folder()
    found = summarise_day(LogView(layout.event_log), IndexReader(layout.index), span, most or MOST)
    if outputs.as_json:
        typer.echo(json.dumps(day_document(found, evidence), ensure_ascii=False))
    else:
        _print(day_lines(found))
    if outputs.video:
        with tempfile.TemporaryDirectory(prefix="watchword-") as folder:
            footage = footage_of(found, evidence, Path(folder))
            _write_video(Order(tuple(one.part for one in footage)), outputs.video)


def _sum_up_files(
    named: Sequence[str],
    config: Config | None,
    specs: tuple[EventSpec, ...],
    profile: ProfileName | None,
    most: int | None,
    outputs: Outputs,
) -> ExitCode:
    """Sum up files one after the other; return the exit code of the first that failed."""
    files, refused = find_media(named)
    if (outputs.video or outputs.chapters) and len(files) > 1:
        raise typer.BadParameter("there can be only one FILE with this", param_hint="--video, --chapters")
    for unread in refused:
        report(unread.error)
    failed = [unread.error.exit_code for unread in refused]
    if not files:
        return ExitCode.INPUT_UNREADABLE
    from daemon.offline.extraction import Extractor  # loads torch: not for `--help`
    from daemon.summary.extracting import extract_summary
    from daemon.summary.files import MOST

    loading = f"loading models: {models_in_words(config, profile)}"
    with (
        FileProgress(len(files), Console(stderr=True), loading=loading) as progress,
        Extractor(offline_settings(config, profile)) as extractor,
    ):
        for file in files:
            try:
                found = extract_summary(extractor, file.path, specs, most or MOST, progress)
                _deliver(found, file.path, config, outputs)
            except WatchwordError as error:
                report(error)
                failed.append(error.exit_code)
            finally:
                progress.done(file.path)
    return failed[0] if failed else ExitCode.OK


def _deliver(found: "FileSummary", path: Path, config: Config | None, outputs: Outputs) -> None:
    from daemon.summary.documents import chapters_vtt, file_document, file_lines
    from daemon.summary.video import parts_of
    from workers.sources.clips.joining import Order

    if outputs.as_json:
        typer.echo(json.dumps(file_document(found), ensure_ascii=False))
    else:
        _print(file_lines(found))
    if outputs.chapters:
        write_atomic(outputs.chapters, chapters_vtt(found))
    if outputs.video:
        blurred = config.privacy.blur_faces if config else False
        _write_video(Order(parts_of(found, path), blur_faces=blurred), outputs.video)


def _specs(config: Config | None, texts: Sequence[str]) -> tuple[EventSpec, ...]:
    """Return the events of a configuration, without those in zones, which files do not have, and described ones."""
    named = config.described if config else {}
    known = tuple(s for s in (config.event_specs() if config else ()) if not named[s.name].zone)
    return (*known, *specs_of_texts(texts, [spec.name for spec in known]))


def _write_video(order: "Order", to: Path) -> None:
    """Write the videos of an order: ``to``, and beside it OUT-2.mp4 … for tracks that are unlike the first."""
    from daemon.summary.video import joined, write_video

    with joined(order) as videos:
        for number, video in enumerate(videos, 1):
            path = to if number == 1 else to.with_name(f"{to.stem}-{number}{to.suffix}")
            write_video(path, video.path)
            seconds = sum(shown.seconds for shown in video.shown)
            moments = "moment" if len(video.shown) == 1 else "moments"
            typer.echo(printable(f"{path}: {len(video.shown)} {moments}, {seconds:.0f} s"), err=True)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(printable(line))
