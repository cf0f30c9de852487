"""Checks of zones: cameras name areas of their frames, events name the zones in which they are looked for."""

from collections.abc import Iterator, Mapping
from typing import Any

from daemon.config.checks.plain_data import Finding, chosen, mapping
from daemon.config.document import KeyPath
from daemon.config.editor_schema import nearest


def zone_mistakes(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield zones that events name and their cameras do not have."""
    cameras = mapping(data.get("cameras"))
    for event, rule in mapping(data.get("events")).items():
        own = [camera for camera in cameras.values() if _looks_as_defined(camera, event)]
        yield from _unknown(("events", event, "zone"), rule, own, "none of its cameras has a")
    for name, camera in cameras.items():
        for event, rule in mapping(mapping(camera).get("events")).items():
            yield from _unknown(("cameras", name, "events", event, "zone"), rule, [camera], "this camera has no")
        yield from _missing(data, name, camera)


def zone_oversights(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield zones that no event names, and events in zones where uploads are watched, which have none."""
    for name, camera in mapping(data.get("cameras")).items():
        named = {zone for zones in _zones_by_event(data, camera).values() for zone in zones}
        for zone in _zones(camera):
            if zone not in named:
                hint = f"name it in an event, `zone: {zone}`, or remove it"
                yield ("cameras", name, "zones", zone), "no event of this camera is looked for in this zone", hint
    for event, rule in mapping(data.get("events")).items() if "uploads" in data else ():
        if _named(rule):
            text = "uploads have no zones: this event is not looked for in them"
            yield ("events", event, "zone"), text, "add an event without a zone for uploads"


def _unknown(path: KeyPath, rule: Any, cameras: list[Any], which: str) -> Iterator[Finding]:
    """Yield the zones of a rule that none of ``cameras`` has."""
    known = sorted({zone for camera in cameras for zone in _zones(camera)})
    for zone in _named(rule):
        if zone not in known:
            hint = nearest(zone, known) or f"zones are {', '.join(known) or 'none'}; add it to `zones` of a camera"
            yield path, f'{which} zone "{zone}"', hint


def _missing(data: Mapping[str, Any], name: str, camera: Any) -> Iterator[Finding]:
    """Yield the events that a camera lists, or all that it is left with, where it has none of their zones."""
    anywhere = {zone for other in mapping(data.get("cameras")).values() for zone in _zones(other)}
    by_event, listed = _zones_by_event(data, camera), chosen(mapping(camera))
    without = [
        event
        for event, zones in by_event.items()
        if zones and not _zones(camera).keys() & {*zones} and anywhere & {*zones}  # else reported at the event
    ]
    if listed is None and without and len(without) == len(by_event):
        text = "no event is looked for on this camera: all are in zones, and it has none of them"
        yield ("cameras", name), text, f"add to it: `zones: {{{by_event[without[0]][0]}: [[x, y], …]}}`"
    for step, event in listed or ():
        if event in without and not _own(camera, event):
            text = f'this camera has no zone "{by_event[event][0]}", in which "{event}" is looked for'
            yield ("cameras", name, "events", step), text, "add the zone to the camera, or remove the event from it"


def _zones_by_event(data: Mapping[str, Any], camera: Any) -> dict[str, tuple[str, ...]]:
    """Return the zones in which each event of a camera is looked for, by name; none: in the whole frame."""
    events, listed = mapping(data.get("events")), chosen(mapping(camera))
    names = events if listed is None else [name for _, name in listed if isinstance(name, str) and name in events]
    return {name: _own(camera, name) or _named(events[name]) for name in names}


def _looks_as_defined(camera: Any, event: str) -> bool:
    """Return whether a camera looks for an event in the zones that its definition names."""
    listed = chosen(mapping(camera))
    return (listed is None or event in [name for _, name in listed]) and not _own(camera, event)


def _own(camera: Any, event: str) -> tuple[str, ...]:
    """Return the zones that a camera's override of an event names."""
    return _named(mapping(mapping(camera).get("events")).get(event))


def _zones(camera: Any) -> Mapping[str, Any]:
    return mapping(mapping(camera).get("zones"))


def _named(rule: Any) -> tuple[str, ...]:
    value = mapping(rule).get("zone")
    return tuple(name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str))
