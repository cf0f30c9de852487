"""``watchword check``: validate a configuration and summarise it."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from alignment.errors import ExitCode
from alignment.temporal.wording import in_words
from alignment.types import MODALITIES
from daemon.commands.exits import exit_on_error
from daemon.config import Config, ConfigError, Problem, config_hash, load_config
from daemon.config.sections.cameras import UPLOADS
from daemon.logs.escaping import printable
from daemon.logs.setup import register_secrets, scrub
from daemon.vlm.disclosure import what_is_sent
from workers.sources.url import is_live
from workers.types import EventSpec

if TYPE_CHECKING:
    from daemon.checking.descriptions import DescriptionJudge
    from daemon.checking.inputs import Opened
    from workers.queries.judging import Judgement

PIPE_WIDTH = 160  # columns where no terminal says how many there are


app = typer.Typer(add_completion=False)


@app.command()
def check(
    config: Annotated[Path, typer.Argument(help="The configuration file.")] = Path("config.yaml"),
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 2 if there is any warning.")] = False,
    connect: Annotated[
        bool, typer.Option("--connect", help="Open each camera, and say what it sends; exit with code 3 if one fails.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Validate a configuration, and show which events each camera watches for.

    Files are opened always. Warnings say which events will not be found, and what would work. Notes say which will be
    found only near the camera.
    """
    try:
        loaded = load_config(config)
    except ConfigError as error:
        _tell(error.problems)
        if as_json:
            _write_json({"ok": False, "problems": [asdict(p) for p in error.problems]})
        raise typer.Exit(error.exit_code) from None
    register_secrets(loaded.secrets())
    with exit_on_error():
        from daemon.checking.descriptions import DescriptionJudge
        from daemon.checking.findings import findings, notes  # loads what would slow down `--help`

        opened, judge = _opened(loaded, connect), DescriptionJudge(loaded)
        warnings = (*loaded.warnings, *findings(config, loaded, judge, opened))
        said = notes(loaded, judge)
    _tell(warnings, "warning: ")
    for note in said:
        typer.echo(f"note: {printable(note)}", err=True)
    if as_json:
        _write_json(_summary(loaded, judge, warnings, opened) | {"notes": said})
    else:
        console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
        console.print(_inputs_table(config, loaded), _events_table(loaded, judge), sep="\n")
        if loaded.over_time:
            console.print(_over_time_table(loaded))
        if loaded.alerts.targets:
            console.print(_targets_table(loaded))
        if loaded.verifiers():
            console.print(_verifiers_table(loaded))
        for each in opened if connect else ():
            typer.echo(printable(scrub(str(each))))
    if connect and any(each.error for each in opened):
        raise typer.Exit(ExitCode.INPUT_UNREADABLE)
    if strict and warnings:
        raise typer.Exit(ExitCode.USAGE)


def _tell(problems: tuple[Problem, ...], prefix: str = "") -> None:
    for problem in problems:
        typer.echo(f"{prefix}{problem}", err=True)


def _opened(config: Config, connect: bool) -> tuple["Opened", ...]:
    """Open the files, and the cameras if ``connect``; return them in the order of the configuration."""
    cameras = [c for c in config.camera_specs() if connect or not is_live(c.url)]
    if not cameras:
        return ()
    from daemon.checking.inputs import open_inputs  # loads FFmpeg

    found: dict[str, Opened] = {}
    with Console(stderr=True).status("") as status:
        for each in open_inputs(cameras, config.limits.limits()):
            found[each.camera] = each
            status.update(f"opened {len(found)} of {len(cameras)} inputs")
    return tuple(found[c.name] for c in cameras)


def _write_json(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def _inputs(config: Config) -> Iterator[tuple[str, str, str, tuple[EventSpec, ...]]]:
    """Yield name, place and sampling of every input with its events."""
    for camera in config.camera_specs():
        fps = camera.fps if camera.fps == "keyframes" else f"{camera.fps:g} fps"
        yield camera.name, scrub(str(camera.url)), str(fps), config.event_specs(camera.name)
    if config.uploads:
        yield "uploads", str(config.uploads.folder), "1 fps", config.event_specs()


def _summary(
    config: Config, judge: "DescriptionJudge", warnings: Sequence[Problem], opened: Sequence["Opened"]
) -> dict[str, Any]:
    watches = {
        name: {"url": url, "sampling": sampling, "events": [_event_document(e, judge) for e in events]}
        for name, url, sampling, events in _inputs(config)
    }
    return {
        "ok": True,
        "config_hash": config_hash(config),
        "watches": watches,
        "over_time": _over_time(config),
        "targets": _targets(config),
        "verifiers": [sent.document for sent in what_is_sent(config)],
        "problems": [],
        "warnings": [asdict(w) for w in warnings],
        "opened": {each.camera: _opened_document(each) for each in opened},
    }


def _event_document(event: EventSpec, judge: "DescriptionJudge") -> dict[str, Any]:
    return asdict(event) | {"read_as": [j.read_as for j in judge(event)]}


def _opened_document(opened: "Opened") -> dict[str, Any]:
    if opened.error is not None:
        return {"sends": None, "error": opened.error.code, "message": scrub(str(opened.error))}
    sends = {k: v for k, v in asdict(opened.sends).items() if k != "key"} if opened.sends else None
    return {"sends": sends, "error": None}


def _targets(config: Config) -> dict[str, dict[str, Any]]:
    """Return where each target of alerts is, without secrets, and which events of which cameras it gets."""
    from daemon.alerts.channels.factory import watched_pairs
    from daemon.config.sections.alerts import address

    found = {}
    for name, target in config.alerts.targets.items():
        gets: dict[str, list[str]] = {}
        for camera, event in watched_pairs(config, name):
            gets.setdefault(camera, []).append(event)
        found[name] = {"url": str(address(target)), "gets": gets}
    return found


def _targets_table(config: Config) -> Table:
    table = Table(*(Column(name, overflow="fold") for name in ("target", "url", "alerts of")))
    for name, target in _targets(config).items():
        gets = "; ".join(f"{camera}: {', '.join(events)}" for camera, events in target["gets"].items())
        table.add_row(*map(Text, (name, target["url"], gets or "nothing")))
    return table


def _verifiers_table(config: Config) -> Table:
    table = Table(*(Column(name, overflow="fold") for name in ("verifier", "model", "is sent")))
    for sent in what_is_sent(config):
        table.add_row(*map(Text, (str(sent.verifier.url), sent.verifier.model, sent.in_words())))
    return table


def _inputs_table(path: Path, config: Config) -> Table:
    columns = [Column(name, overflow="fold") for name in ("input", "url", "sampling")]
    table = Table(*columns, title=f"{path} is valid", title_justify="left")
    for name, url, sampling, _ in _inputs(config):
        table.add_row(*map(Text, (name, url, sampling)))
    return table


def _events_table(config: Config, judge: "DescriptionJudge") -> Table:
    """Return each event once, with its inputs; where inputs override it, once for each way in which it is decided."""
    watched: dict[EventSpec, list[str]] = {}
    for name, _, _, events in _inputs(config):
        for event in events:
            watched.setdefault(replace(event, keep_frames=False), []).append(name)
    table = Table(*(Column(name, overflow="fold") for name in ("event", "inputs", "looks for", "rule")))
    everywhere, order = [name for name, _, _, _ in _inputs(config)], list(config.events)
    for event, names in sorted(watched.items(), key=lambda item: order.index(item[0].name)):
        inputs = "all" if names == everywhere and len(names) > 1 else ", ".join(names)
        cells = (event.name, inputs, read_in_words(event, judge(event)), rule_in_words(event))
        table.add_row(*map(Text, cells))  # plain text: brackets in a description are no markup
    return table


def _over_time(config: Config) -> list[dict[str, Any]]:
    """Return each rule over time: what it means, and to which cameras its events belong."""
    from daemon.config.over_time import rules_of_cameras, rules_of_files

    rules = (*rules_of_cameras(config), *(rules_of_files(config, UPLOADS) if config.uploads else ()))
    return [
        {
            "event": name,
            "inputs": [rule.camera for rule in rules if rule.name == name],
            "when": entry.when.text,
            "in_words": in_words(entry.when.expression),
        }
        for name, entry in config.over_time.items()
    ]


def _over_time_table(config: Config) -> Table:
    table = Table(*(Column(name, overflow="fold") for name in ("event over time", "inputs", "happens when there is")))
    for rule in _over_time(config):
        table.add_row(*map(Text, (rule["event"], ", ".join(rule["inputs"]) or "none", rule["in_words"])))
    return table


def read_in_words(event: EventSpec, judged: Sequence["Judgement"]) -> str:
    """Return the descriptions of an event, each with what it is read as where it does not say that, and its zones."""
    texts = " / ".join(j.text if j.read_as in j.text else f"{j.text} → {j.read_as}" for j in judged)
    zones = " or ".join(zone.name for zone in event.zones)
    return f"{texts}, in the zone {zones}" if zones else texts


def rule_in_words(event: EventSpec) -> str:
    """Return the decision rule of an event in one line."""
    from workers.queries.build import modalities_of

    meant = {m for text in event.describe for m in modalities_of(text, event)}
    parts = [", ".join(m for m in MODALITIES if m in meant)]
    if event.threshold is not None:
        parts.append(f"p ≥ {event.threshold:g}")
    elif event.max_false_alerts_per_hour is not None and event.first_stage_per_hour is not None:
        a_day, first = (24 * rate for rate in (event.max_false_alerts_per_hour, event.first_stage_per_hour))
        before = f", {first:.3g} before a verifier decides" if first != a_day else ""
        parts.append(f"false alerts a day: at most {a_day:.3g}{before}")
    times = {
        "lasting": event.min_duration_s,
        "merged within": event.merge_gap_s,
    }
    parts += [f"{words} {seconds:g} s" for words, seconds in times.items() if seconds]
    parts += [f"verify: {event.verify.policy}"] if event.verify else []
    return "; ".join(parts)
