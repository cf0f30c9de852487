"""``watchword ask``: a question about what was recorded, answered by a vision-language model with its moments."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from alignment.errors import ExitCode
from daemon.asking.times import local_zone, time_shown
from daemon.asking.types import MOST_TURNS, Answer, AskError, AskRequest, NumberedMoment, Turn
from daemon.commands.exits import exit_on_error, report
from daemon.commands.moments import parse_moment
from daemon.config import load_config
from daemon.logs.escaping import printable
from daemon.service.state_folder import require_known

if TYPE_CHECKING:
    from daemon.asking.asker import Asker
    from daemon.config import Config

STEPS = {"planning": "what to search for", "searching": "searching", "answering": "looking at what was found"}
app = typer.Typer(add_completion=False)


@app.command()
def ask(
    question: Annotated[
        str, typer.Argument(metavar="[QUESTION]", help='"who left the gate open?" Without it: a dialogue.')
    ] = "",
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The daemon's configuration: its models, and where its index lies.")
    ] = Path("config.yaml"),
    camera: Annotated[
        list[str] | None, typer.Option(help='Only about this camera, "uploads" for uploads; repeatable.')
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help='From then on: "2 hours", 3d, yesterday, 18:30.')
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Until then.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document.")] = False,
) -> None:
    """Answer a question about what was recorded, with the moments on which the answer rests.

    It is searched as `watchword search` does. The model of `models.verifier` says what to search for, and sees pictures
    of what was found; cameras with `verifier: none` are left out. The daemon may run or not.

    Exit codes: 0 done, also if nothing was seen; 2 wrong options or configuration; 4 the model gave no answer.
    """
    if as_json and not question.strip():
        raise typer.BadParameter("a dialogue cannot be printed as JSON: write a question", param_hint="--json")
    zone = local_zone()
    with exit_on_error():
        request = partial(
            AskRequest,
            zone=zone,
            cameras=frozenset(camera) if camera else None,
            since=parse_moment(since, "--from") if since else None,
            until=parse_moment(until, "--to") if until else None,
        )
        loaded = load_config(config, inputs_required=False)
        require_known(loaded.state_dir)
        with _asker(loaded) as asker:
            if not question.strip():
                _dialogue(asker, request, zone)
                return
            answer = _answer(asker, request(question))
    if as_json:
        typer.echo(json.dumps(asdict(answer), ensure_ascii=False, indent=2))
    else:
        _print(answer, zone)
    if answer.state == "failed":
        raise typer.Exit(ExitCode.UNREACHABLE)


@contextmanager
def _asker(config: Config) -> Iterator[Asker]:
    """Yield who answers; loads the models of the search."""
    from daemon.api.transcoding import Transcoder  # all of these load what would slow down `--help`
    from daemon.asking.asker import Asker
    from daemon.search.offline import OfflineSearch
    from daemon.vlm.factory import clients_of
    from workers.publish.log.view import LogView
    from workers.state_layout import StateLayout

    log = LogView(StateLayout(config.state_dir).event_log)
    with closing(clients_of(config)) as clients, closing(OfflineSearch(config)) as finder:
        yield Asker(lambda: config, lambda: clients, finder, log, Transcoder().still)


def _dialogue(asker: Asker, request: Callable[..., AskRequest], zone: tzinfo) -> None:
    """Answer one question a line until the input ends."""
    earlier: tuple[Turn, ...] = ()
    while question := _line():
        try:
            answer = _answer(asker, request(question, earlier=earlier))
        except AskError as error:
            report(error)
            continue
        _print(answer, zone)
        earlier = (*earlier, answer.as_turn(question))[-MOST_TURNS:]


def _line() -> str:
    """Return the next question; empty where the input ends, or with an empty line."""
    try:
        return input("? " if sys.stdin.isatty() else "").strip()
    except EOFError:
        return ""


def _answer(asker: Asker, request: AskRequest) -> Answer:
    """Return the answer, and show meanwhile what is being done."""
    with Console(stderr=True).status("") as status:
        for one in asker.ask(request):
            if isinstance(one, Answer):
                return one
            status.update(f"{STEPS[one.step]}: {printable(', '.join(one.cameras))}")
    raise AssertionError("the last that comes is the answer")


def _print(answer: Answer, zone: tzinfo) -> None:
    """Print sentences and their moments to stdout; what was searched, and why there is no answer, to stderr."""
    console = Console()
    for sentence in answer.sentences:
        numbers = "".join(f" [{number}]" for number in sentence.moments)
        console.print(Text(printable(sentence.text) + numbers))
    if answer.state == "not_seen":
        console.print("not seen")
    named = {number for sentence in answer.sentences for number in sentence.moments}
    for one in answer.moments:
        if one.number in named or not named:
            console.print(Text(printable(_place(one, zone))), soft_wrap=True)
    for line in _notes(answer, zone):
        typer.echo(printable(line), err=True)


def _place(one: NumberedMoment, zone: tzinfo) -> str:
    """Return where and when a moment is, and how it can be looked at."""
    moment = one.moment
    start, end = (time_shown(t, moment.live, zone) for t in (moment.start, moment.end))
    parts = [f"[{one.number}]", moment.file or moment.camera, f"{start} to {end.removeprefix(start[:15])}"]
    return "  ".join([*parts, *([f"{one.rule}, event {moment.event}"] if moment.event else [])])


def _notes(answer: Answer, zone: tzinfo) -> Iterator[str]:
    """Yield what was searched, where no model was asked, and why one gave no answer."""
    for one in answer.searched:
        looked_for = [*(f'"{text}"' for text in one.descriptions), *(f"events of {rule}" for rule in one.rules)]
        times = [
            f"{word} {time_shown(t, True, zone)}"
            for word, t in (("from", one.since), ("to", one.until))
            if t is not None
        ]
        hours = ", ".join(
            f"{f'{n:.1f} h' if n >= 1 else f'{60 * n:.0f} min'} of {camera}" for camera, n in one.hours_of.items()
        )
        yield f"searched for {', '.join(looked_for) or 'all events'}{''.join(f' {t}' for t in times)} in {hours}"
        if one.events_of:
            yield f"events in that time: {', '.join(f'{n} of {rule}' for rule, n in one.events_of.items())}"
    if answer.left_out:
        yield f"not asked about: {', '.join(answer.left_out)} (verifier: none)"
    yield from (f"error [{one.code}] {', '.join(one.cameras)}: {one.message}" for one in answer.failures)
