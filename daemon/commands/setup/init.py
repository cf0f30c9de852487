"""``watchword init``: write a first configuration, from four questions or from that of Frigate."""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from alignment.errors import ExitCode
from alignment.file_io import replacing
from daemon.commands.exits import exit_on_error, names_of
from daemon.config import ConfigError
from daemon.config.errors import UnusableSetting
from daemon.drafting.draft import BUDGET, CameraDraft, Draft, EventDraft
from daemon.drafting.frigate import read_frigate
from daemon.drafting.template import render
from daemon.drafting.validation import config_of, unset_variables, valid_cameras
from daemon.logs.escaping import printable
from daemon.logs.setup import register_secrets, scrub
from daemon.offline.tagging import specs_of_texts
from workers.sources.url import LIVE_PROTOCOLS
from workers.types import EventSpec

# They stand in for what is not yet known.
ANY_CAMERA = CameraDraft("any", "any.mp4")
ANY = (EventDraft("any", "a person"),)

app = typer.Typer(add_completion=False)


@app.command()
def init(
    config: Annotated[Path, typer.Argument(help="The file to write.")] = Path("config.yaml"),
    url: Annotated[str | None, typer.Option(help="What to watch: the URL of a camera, or a file.")] = None,
    events: Annotated[
        list[str] | None, typer.Option("--event", "-e", help="What to look for, in plain words; may be repeated.")
    ] = None,
    redis: Annotated[
        str | None, typer.Option(help="Where events go: the URL of a Redis server, or embedded.", metavar="URL")
    ] = None,
    false_alerts: Annotated[
        str | None, typer.Option(help='Tolerated false alerts of each event, like "1/day"; or none.', metavar="RATE")
    ] = None,
    from_frigate: Annotated[
        Path | None, typer.Option(help="Take cameras and tracked objects from this configuration of Frigate.")
    ] = None,
    connect: Annotated[bool, typer.Option("--connect/--no-connect", help="Try whether the cameras open.")] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; use the defaults.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a first configuration: asks four questions, or reads that of Frigate.

    A question is not asked if its option is given. A camera that does not open is written all the same, with a comment
    that says why; the exit code is 3 then, unless you have confirmed it.
    """
    if from_frigate and (url or events):
        raise typer.BadParameter("takes cameras and events from the file", param_hint="--from-frigate")
    if yes and not from_frigate and not (url and events):
        raise typer.BadParameter("needs --url and --event", param_hint="--yes")
    try:
        with exit_on_error():
            _allow_writing(config, force, ask=not yes)
            ask = not yes and from_frigate is None
            if from_frigate:
                draft = valid_cameras(read_frigate(from_frigate), config)
                draft = _tried(draft, config, connect)
                _judge(draft.events, config)
            else:
                camera = _camera(url, config, connect)
                draft = Draft((camera,), _events(events, config))
            draft = _destination(draft, redis or (None if ask else draft.redis), config)
            draft = _budget(draft, false_alerts or (None if ask else BUDGET), config)
            _write(draft, config)
            closed = [camera.name for camera in draft.cameras if camera.doubt is not None]
            if closed and (from_frigate or url):
                _say(f"written, but not opened: {names_of(closed)}; watchword check --connect {config} tries again")
                raise typer.Exit(ExitCode.INPUT_UNREADABLE)
    except typer.Abort:
        asked = sys.stdin.isatty()  # else there was nobody to answer
        _say("nothing was written" + ("" if asked else "; without a terminal use --url and --event"))
        raise typer.Exit(ExitCode.INTERRUPTED if asked else ExitCode.USAGE) from None


def _allow_writing(path: Path, force: bool, ask: bool) -> None:
    """Raise ``UnusableSetting`` if a file exists that may not be replaced."""
    if not os.path.lexists(path) or force:
        return
    if not (ask and typer.confirm(f"{path} exists. Replace it?", default=False, err=True)):
        raise UnusableSetting(f"{path} exists", "name another file, or use --force to replace it")


def _camera(given: str | None, path: Path, connect: bool) -> CameraDraft:
    """Return the camera to watch; one that cannot be opened is taken if that is wanted."""
    while True:
        answer = given or _ask("What to watch? The URL of a camera (rtsp://user:password@10.0.0.5/stream1), or a file")
        camera = CameraDraft(_camera_name(answer), _relative_to(path, answer.strip()))
        draft = Draft((camera,), ANY)
        if given is None and (problem := _problem(draft, path)):
            _say(problem)
            continue
        (tried,) = _tried(draft, path, connect).cameras
        if given or tried.doubt is None or typer.confirm("Take it all the same?", default=False, err=True):
            return tried


def _events(given: Sequence[str] | None, path: Path) -> tuple[EventDraft, ...]:
    """Return the events to look for; each description is judged as soon as it is given."""
    texts = list(given or ())
    _judge(_named(texts), path)
    while not given:
        question = "What else? (Enter: nothing)" if texts else 'What to look for? For example "a dog"'
        answer = _ask(question, "").strip()
        if not answer and texts:
            break
        if not answer:
            continue
        latest = _named([*texts, answer])[-1]
        if problem := _problem(Draft((ANY_CAMERA,), (latest,)), path):
            _say(problem)
        elif not _judge((latest,), path) or typer.confirm("Take it all the same?", default=False, err=True):
            texts.append(answer)
    return _named(texts)


def _destination(draft: Draft, given: str | None, path: Path) -> Draft:
    """Return the draft with the server to which events go."""
    while True:
        question = "Where do events go? The URL of a Redis server, or embedded: Watchword starts one"
        chosen = replace(draft, redis=(given or _ask(question, draft.redis)).strip())
        if given or not (problem := _problem(chosen, path)):
            return chosen
        _say(problem)


def _budget(draft: Draft, given: str | None, path: Path) -> Draft:
    """Return the draft with the tolerated rate of false alerts."""
    while True:
        question = "How many false alerts of each event are tolerable? none: fixed thresholds decide"
        rate = (given or _ask(question, BUDGET)).strip()
        chosen = replace(draft, max_false_alerts=None if rate == "none" else rate)
        if given or not (problem := _problem(chosen, path)):
            return chosen
        _say(problem)


def _tried(draft: Draft, path: Path, connect: bool) -> Draft:
    """Open the cameras whose variables are set, say what each sends, and return why some do not open."""
    config = config_of(draft, path)
    register_secrets(config.secrets())
    ready = {c.name for c in draft.cameras if not any(unset_variables(replace(draft, cameras=(c,))))}
    cameras = [camera for camera in config.camera_specs() if camera.name in ready]
    if not connect or not cameras:
        return draft
    from daemon.checking.inputs import open_inputs  # loads FFmpeg

    doubts: dict[str, str] = {}
    for each in open_inputs(cameras, config.limits.limits()):
        _say(scrub(str(each)))
        if each.error is not None:
            doubts[each.camera] = scrub(each.error.message.removeprefix(f"{each.camera}: "))
    return replace(draft, cameras=tuple(replace(c, doubt=doubts.get(c.name)) for c in draft.cameras))


def _judge(events: Sequence[EventDraft], path: Path) -> bool:
    """Say how descriptions are read, and which will not be found as they are meant; return whether there are any."""
    from daemon.checking.descriptions import DescriptionJudge

    judge, doubtful = DescriptionJudge(config_of(Draft((ANY_CAMERA,), ANY), path)), False
    for event in events:
        for judgement in judge(EventSpec(event.name, (event.describe,), modalities=event.modalities or None)):
            _say(judgement.remark or f"{judgement.text!r} is read as {judgement.read_as!r}")
            doubtful |= judgement.problem is not None
    return doubtful


def _write(draft: Draft, path: Path) -> None:
    config_of(draft, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, private=True) as part:  # a URL may hold a password
            part.write_text(render(draft, str(path)), encoding="utf-8")
    except OSError as error:
        raise UnusableSetting(f"cannot write {path}: {error.strerror or error}", "name another place") from error
    for note in draft.notes:
        _say(f"not taken over: {note}")
    _say(f"{path} is written")
    for name in unset_variables(draft):
        _say(f"set this before you start: export {name}=…")
    _say(f"next: watchword check {path}, then watchword run {path}")


def _problem(draft: Draft, path: Path) -> str | None:
    """Return what the configuration does not allow in a draft."""
    try:
        config_of(draft, path)
    except ConfigError as error:
        first = error.problems[0]
        return f"{first.message} — {first.hint}" if first.hint else first.message
    return None


def _named(texts: Sequence[str]) -> tuple[EventDraft, ...]:
    return tuple(EventDraft(spec.name, spec.describe[0]) for spec in specs_of_texts(texts))


def _camera_name(url: str) -> str:
    """Return a name for a camera: of a file its stem."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(url).stem).strip("_")[:64]
    return "camera" if "://" in url or url.startswith("/dev/") or stem in ("", "uploads") else stem


def _relative_to(path: Path, url: str) -> str:
    """Return what to write for a URL, or for a file of the present folder: paths start at the configuration."""
    if "://" in url or url.partition(":")[0].lower() in LIVE_PROTOCOLS or os.path.isabs(url) or url.startswith("~"):
        return url
    return f"./{os.path.normpath(url)}" if path.parent.resolve() == Path.cwd() else os.path.abspath(url)


def _ask(question: str, default: str | None = None) -> str:
    answer: str = typer.prompt(question, default=default, show_default=bool(default), err=True)
    return answer


def _say(text: str) -> None:
    typer.echo(printable(text), err=True)
