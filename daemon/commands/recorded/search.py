"""``watchword search``: moments of what was recorded, by words, by a picture, by an event like it."""

import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from daemon.commands.exits import exit_on_error
from daemon.commands.moments import parse_moment
from daemon.config import load_config
from daemon.logs.escaping import printable
from daemon.search.notes import notes
from daemon.search.request import MOST, SearchRequest, image_content
from daemon.search.results import Found, Moment
from daemon.service.state_folder import require_known
from workers.detectors.classes import NAMES
from workers.events.timestamps import clock_range

LIKELY = 0.5  # a probability below which a moment is shown as less likely
app = typer.Typer(add_completion=False)


@app.command()
def search(
    text: Annotated[
        str,
        typer.Argument(metavar="[DESCRIPTION]", help='What to look for: "a red car", "someone says the bus is late".'),
    ] = "",
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The daemon's configuration: its models, and where its index lies.")
    ] = Path("config.yaml"),
    camera: Annotated[
        list[str] | None, typer.Option(help='Only this camera, "uploads" for uploads; repeatable.')
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help='From then on: "2 hours", 3d, yesterday, 18:30.')
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Until then.")] = None,
    object_class: Annotated[
        list[str] | None,
        typer.Option("--class", metavar="NAME", help=f"Only where this is detected; repeatable: {', '.join(NAMES)}."),
    ] = None,
    words: Annotated[str, typer.Option(help="Only where these words are said.")] = "",
    image: Annotated[Path | None, typer.Option(help="Look for what resembles this picture.")] = None,
    like: Annotated[str | None, typer.Option(metavar="ID", help="Look for what resembles this event.")] = None,
    spoken: Annotated[bool, typer.Option("--spoken", help="The description is what is said.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="Number of moments.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document.")] = False,
) -> None:
    """Find moments in what cameras and uploads recorded, the best first.

    Descriptions are read as those of events. The daemon may run or not.

    Exit codes: 0 done, also if nothing was found; 2 wrong options or configuration; 3 the picture cannot be read.
    """
    with exit_on_error():
        request = SearchRequest(
            text=text,
            image=image_content(image) if image else None,
            like=like,
            spoken=spoken,
            cameras=frozenset(camera) if camera else None,
            since=parse_moment(since, "--from") if since else None,
            until=parse_moment(until, "--to") if until else None,
            classes=tuple(object_class or ()),
            words=words,
            limit=limit,
        )
        loaded = load_config(config, inputs_required=False)
        require_known(loaded.state_dir)
        from daemon.search.offline import OfflineSearch  # loads torch: not for `--help`

        with closing(OfflineSearch(loaded)) as offline:
            found = offline.find(request)
    if as_json:
        typer.echo(json.dumps(asdict(found), ensure_ascii=False, indent=2))
    else:
        _print(found)


def _print(found: Found) -> None:
    """Print the moments as a table to stdout; how the search was read, and what it left out, to stderr."""
    for note in notes(found):
        typer.echo(printable(note), err=True)
    names = [Column(name, overflow="fold") for name in ("camera", "file")]
    facts = [Column(name, no_wrap=True) for name in ("start", "end", "score", "event")]
    table = Table(*names, *facts, Column("said or seen", overflow="fold"), box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for moment in found.moments:
        table.add_row(*map(_plain, _cells(moment)), style="dim" if found.probable and moment.score < LIKELY else None)
    if found.moments:
        Console().print(table)


def _cells(moment: Moment) -> tuple[str, ...]:
    start, end = clock_range(moment.start, moment.end, moment.live)
    event = (moment.event or "")[:10]
    return moment.camera, moment.file or "", start, end, f"{moment.score:.2f}", event, moment.caption or moment.said


def _plain(text: str) -> Text:
    return Text(printable(text))
