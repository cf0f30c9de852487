"""``watchword events``: follow, list and show published events."""

from pathlib import Path
from typing import Annotated

import typer

from alignment.errors import ExitCode
from daemon.commands.events.stream import reading, reading_kept, where
from daemon.commands.events.tables import as_document, as_line, in_order, print_details, print_table
from daemon.commands.exits import exit_on_error
from daemon.commands.moments import parse_moment
from daemon.logs.escaping import printable
from workers.publish.redis.reader import EventFilter

app = typer.Typer(help="Follow, list and show published events.", no_args_is_help=True, add_completion=False)

RedisUrl = Annotated[
    str | None,
    typer.Option(
        "--redis", metavar="URL", envvar="WATCHWORD_REDIS_URL", help="Redis server. Default: the embedded server."
    ),
]
Stream = Annotated[str | None, typer.Option(help="Name of the stream. Default: watchword:events.")]
ConfigFile = Annotated[
    Path | None,
    typer.Argument(
        help="Read the stream to which this configuration publishes. Default: config.yaml, if there is one and no "
        "option names another place."
    ),
]
StateDir = Annotated[
    Path | None,
    typer.Option(envvar="WATCHWORD_STATE_DIR", help="The daemon's state folder. Default: .watchword."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document per line.")]
Camera = Annotated[str | None, typer.Option(help="Only this camera.")]
EventName = Annotated[str | None, typer.Option("--event", help="Only this event.")]


@app.command()
def tail(
    config: ConfigFile = None,
    camera: Camera = None,
    event: EventName = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Start with the oldest entry in the stream.")
    ] = False,
    as_json: AsJson = False,
    redis: RedisUrl = None,
    stream: Stream = None,
    state_dir: StateDir = None,
) -> None:
    """Show every revision as it is published, until Ctrl-C."""
    with exit_on_error(), reading(where(config, redis, stream, state_dir)) as reader:
        for entry in reader.tail(EventFilter(camera, event), "0" if from_start else "$"):
            if entry:
                typer.echo(as_document(entry) if as_json else as_line(entry.event))


@app.command("list")
def list_events(
    config: ConfigFile = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help='Only events published since then: "15 minutes", 2d, yesterday, 18:30.'),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only events published until then.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Number of events, counted from the latest.")] = 50,
    camera: Camera = None,
    event: EventName = None,
    all_revisions: Annotated[
        bool, typer.Option("--all-revisions", help="List all revisions, not only the latest of each event.")
    ] = False,
    as_json: AsJson = False,
    redis: RedisUrl = None,
    stream: Stream = None,
    state_dir: StateDir = None,
) -> None:
    """List the latest events, by their start."""
    wanted = EventFilter(
        camera,
        event,
        parse_moment(since, "--since") if since else None,
        parse_moment(until, "--until") if until else None,
    )
    with exit_on_error(), reading_kept(where(config, redis, stream, state_dir)) as reader:
        entries = reader.revisions(wanted, limit) if all_revisions else in_order(reader.latest(wanted, limit))
    if not as_json:
        print_table(entries)
    for entry in entries if as_json else ():
        typer.echo(as_document(entry))


@app.command()
def show(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the event, or its first characters.")],
    config: ConfigFile = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show why the event was reported, and the path of its explanation image.")
    ] = False,
    as_json: AsJson = False,
    redis: RedisUrl = None,
    stream: Stream = None,
    state_dir: StateDir = None,
) -> None:
    """Show the latest revision of one event."""
    with exit_on_error(), reading_kept(where(config, redis, stream, state_dir)) as reader:
        found = reader.find(event_id)
    if len(found) == 1 and as_json:
        typer.echo(as_document(found[0]))
    elif len(found) == 1:
        print_details(found[0], explain)
    elif found:
        names = ", ".join(sorted(e.event.id for e in found)[:8])
        _say(f"{len(found)} events start with {event_id}: {names} — give more characters of the id")
        raise typer.Exit(ExitCode.USAGE)
    else:
        _say(f"no event {event_id} in the stream — `watchword events list` shows the events")
        raise typer.Exit(ExitCode.UNEXPECTED)


@app.command()
def url(config: ConfigFile = None, redis: RedisUrl = None, state_dir: StateDir = None) -> None:
    """Print the URL of the Redis server, for programs that read events. It contains the password.

    The embedded server has another port and password in each state folder; they stay until the folder is deleted.
    """
    with exit_on_error():
        typer.echo(where(config, redis, None, state_dir).running().reveal())


def _say(text: str) -> None:
    typer.echo(printable(f"watchword: {text}"), err=True)
