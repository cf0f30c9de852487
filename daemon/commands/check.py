"""``watchword check``: is the configuration right, and what will it do."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from alignment.errors import WatchwordError
from alignment.types import MODALITIES
from daemon.config import Config, ConfigError, Problem, config_hash, load_config
from daemon.logs import register_secrets, scrub
from workers.types import EventSpec

PIPE_WIDTH = 160  # columns where no terminal says how many there are


def check(
    config: Annotated[Path, typer.Argument(help="The configuration file.")] = Path("config.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Validate a configuration and show which camera watches for what, by which rule."""
    try:
        loaded = load_config(config)
    except ConfigError as error:
        _tell(error.problems)
        if as_json:
            _write_json({"ok": False, "problems": [asdict(p) for p in error.problems]})
        raise typer.Exit(2) from None
    register_secrets(loaded.secrets())
    warnings = (*loaded.warnings, *_impossible(config, loaded))
    _tell(warnings, "warning: ")
    if as_json:
        _write_json(_summary(loaded, warnings))
    else:
        Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(_table(config, loaded))


def _tell(problems: tuple[Problem, ...], prefix: str = "") -> None:
    for problem in problems:
        typer.echo(f"{prefix}{problem}", err=True)


def _write_json(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def _watches(config: Config) -> Iterator[tuple[str, str, str, tuple[EventSpec, ...]]]:
    """Yield name, place and sampling of every input with its events."""
    for camera in config.camera_specs():
        fps = camera.fps if camera.fps == "keyframes" else f"{camera.fps:g} fps"
        yield camera.name, scrub(str(camera.url)), str(fps), config.event_specs(camera.name)
    if config.uploads:
        yield "uploads", str(config.uploads.folder), "1 fps", config.event_specs()


def _impossible(path: Path, config: Config) -> Iterator[Problem]:
    """Yield what is valid but cannot work on this machine or with this profile."""
    from workers.aligners import check_checkpoint
    from workers.models import locate
    from workers.queries import query_warnings

    options = config.models.encoder_options()
    if options.profile != "lite":
        try:
            locate(options)
        except WatchwordError as error:
            yield Problem(str(path), 0, "models", error.message, error.hint)
    try:
        check_checkpoint(config.models.aligner_options())
    except WatchwordError as error:
        yield Problem(str(path), 0, "models.checkpoint", error.message, error.hint)
    if (tls := config.http.tls) is not None:
        from daemon.http import TlsFiles, TlsFilesError

        try:
            TlsFiles(tls.certificate, tls.key)
        except TlsFilesError as error:
            yield Problem(str(path), 0, "http.tls", error.message, error.hint)
    specs = [spec for _, _, _, events in _watches(config) for spec in events]
    for text in dict.fromkeys(text for spec in specs for text in query_warnings(spec, options.profile)):
        yield Problem(str(path), 0, "", text)


def _summary(config: Config, warnings: tuple[Problem, ...]) -> dict[str, Any]:
    watches = {
        name: {"url": url, "sampling": sampling, "events": [asdict(e) for e in events]}
        for name, url, sampling, events in _watches(config)
    }
    return {
        "ok": True,
        "config_hash": config_hash(config),
        "watches": watches,
        "problems": [],
        "warnings": [asdict(w) for w in warnings],
    }


def _table(path: Path, config: Config) -> Table:
    columns = [Column(name, overflow="fold") for name in ("input", "sampling", "event", "looks for", "rule")]
    table = Table(*columns, title=f"{path} is valid", title_justify="left")
    for name, url, sampling, events in _watches(config):
        for i, event in enumerate(events):
            head = (f"{name}\n{url}", sampling) if i == 0 else ("", "")
            cells = (*head, event.name, " / ".join(event.describe), rule_in_words(event))
            table.add_row(*map(Text, cells))  # plain text: brackets in a description are no markup
        table.add_section()
    return table


def rule_in_words(event: EventSpec) -> str:
    """Return how an event is decided, in one line."""
    from workers.queries import modalities_of

    meant = {m for text in event.describe for m in modalities_of(text, event)}
    parts = [", ".join(m for m in MODALITIES if m in meant)]
    if event.threshold is not None:
        parts.append(f"p ≥ {event.threshold:g}")
    elif event.max_false_alerts_per_hour is not None:
        parts.append(f"false alerts a day: at most {event.max_false_alerts_per_hour * 24:.3g}")
    times = {
        "lasting": event.min_duration_s,
        "merged within": event.merge_gap_s,
        "quiet for": event.cooldown_s,
    }
    parts += [f"{words} {seconds:g} s" for words, seconds in times.items() if seconds]
    return "; ".join(parts)
