"""Checks of alerts across sections: names of targets, cameras and events. They read the plain data."""

from collections.abc import Iterator, Mapping
from typing import Any

from daemon.config.checks.plain_data import Finding, mapping
from daemon.config.document import KeyPath
from daemon.config.editor_schema import nearest
from daemon.config.sections.cameras import UPLOADS


def alert_mistakes(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield names that nothing has: of targets in ``to``, of cameras and events in targets."""
    targets = mapping(mapping(data.get("alerts")).get("targets"))
    for path, rule in alert_rules(data):
        yield from _unknown((*path, "to"), rule.get("to"), sorted(targets), "target")
    known = {"cameras": sorted({*mapping(data.get("cameras")), UPLOADS}), "events": sorted(mapping(data.get("events")))}
    for name, target in targets.items():
        for key, names in known.items():
            yield from _unknown(("alerts", "targets", name, key), mapping(target).get(key), names, key.rstrip("s"))


def alert_oversights(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield rules of alerts that have no effect because there is no target."""
    if not mapping(mapping(data.get("alerts")).get("targets")):
        for path, rule in alert_rules(data):
            if rule:
                yield path, "has no effect: there is no target", "add one below `alerts: {targets: …}`"


def alert_rules(data: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """Yield every place with settings of alerts, with its path."""
    yield ("alerts",), mapping(data.get("alerts"))
    for name, event in mapping(data.get("events")).items():
        yield ("events", name, "alert"), mapping(mapping(event).get("alert"))
    for name, camera in mapping(data.get("cameras")).items():
        yield ("cameras", name, "alert"), mapping(mapping(camera).get("alert"))
        for event, rule in mapping(mapping(camera).get("events")).items():
            yield ("cameras", name, "events", event, "alert"), mapping(mapping(rule).get("alert"))


def _unknown(path: KeyPath, names: Any, known: list[str], what: str) -> Iterator[Finding]:
    listed = [(path, names)] if isinstance(names, str) else []
    listed += [((*path, i), name) for i, name in enumerate(names)] if isinstance(names, list) else []
    for place, name in listed:
        if isinstance(name, str) and name not in known:
            hint = nearest(name, known) or f"{what}s are {', '.join(known) or 'none'}"
            yield place, f'no {what} is called "{name}"', hint
