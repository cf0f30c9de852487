"""Checks of rules over time: the events and cameras that they name, and whether their times can be compared."""

from collections.abc import Iterator, Mapping
from typing import Any

from alignment.temporal.expressions import Ref, refs
from daemon.config.checks.plain_data import Finding, chosen, described, mapping
from daemon.config.document import KeyPath
from daemon.config.editor_schema import nearest
from daemon.config.when import parse_when
from workers.redaction import RedactedUrl
from workers.sources.url import is_file


def when_mistakes(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield events and cameras that a rule names and that there are not, or not together."""
    for path, named in _rules(data):
        unknown = list(_unknown(path, named, data))
        yield from unknown
        if not unknown:
            yield from _apart(path, named, data)
            yield from _mixed(path, named, data)


def when_oversights(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield rules of events that are not looked for at present."""
    for path, named in _rules(data):
        for event in dict.fromkeys(ref.event for ref in named):
            if mapping(described(data).get(event)).get("enabled") is False:
                text = f'"{event}" is not looked for (`enabled: false`), so this rule finds nothing'
                yield path, text, "enable both, or neither"


def _rules(data: Mapping[str, Any]) -> Iterator[tuple[KeyPath, tuple[Ref, ...]]]:
    """Yield the path of each rule that can be read, and the events that it names."""
    for name, event in mapping(data.get("events")).items():
        try:
            named = tuple(refs(parse_when(mapping(event).get("when")).expression))
        except ValueError:
            continue
        yield ("events", name, "when"), tuple(dict.fromkeys(named))


def _unknown(path: KeyPath, named: tuple[Ref, ...], data: Mapping[str, Any]) -> Iterator[Finding]:
    events, cameras = mapping(data.get("events")), mapping(data.get("cameras"))
    known, inputs = sorted(described(data)), sorted(cameras)
    for event in dict.fromkeys(ref.event for ref in named if ref.event not in known):
        if event in events:
            yield path, f'"{event}" is made of other events itself', "name the events that it is made of"
        else:
            hint = nearest(event, known) or f"described events are {', '.join(known) or 'none'}"
            yield path, f'no event is called "{event}"', hint
    for camera in dict.fromkeys(ref.camera for ref in named if ref.camera is not None):
        if camera not in cameras:
            hint = nearest(camera, inputs) or f"cameras are {', '.join(inputs) or 'none'}"
            yield path, f'no camera is called "{camera}"', hint


def _apart(path: KeyPath, named: tuple[Ref, ...], data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield events that are not looked for on the camera that is named, or on no camera together."""
    cameras = mapping(data.get("cameras"))
    for ref in named:
        if ref.camera is not None and ref.event not in _looked_for(data, cameras[ref.camera]):
            text = f'"{ref.event}" is not looked for on camera "{ref.camera}"'
            yield path, text, "add it to the `events` of that camera (and the zone, if it has one), or name another one"
    own = {ref.event for ref in named if ref.camera is None}
    together = any(own <= _looked_for(data, camera) for camera in cameras.values())
    if cameras and own and not together and "uploads" not in data:
        several = " and ".join(sorted(own)) + (" together" if len(own) > 1 else "")
        hint = "write CAMERA.EVENT for events of different cameras, as in gate.person then yard.dog within 60s"
        yield path, f"no camera looks for {several}", hint


def _mixed(path: KeyPath, named: tuple[Ref, ...], data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield files whose times are to be compared with those of other cameras."""
    cameras = mapping(data.get("cameras"))
    several = list(dict.fromkeys(ref.camera for ref in named if ref.camera is not None))
    shared = len(several) > 1 or any(ref.camera is None for ref in named)
    for camera in several if shared else ():
        url = mapping(cameras[camera]).get("url")
        if isinstance(url, str) and is_file(RedactedUrl(url)):
            text = f'camera "{camera}" is a file: its times cannot be compared with those of other cameras'
            yield path, text, "write the event without a camera: then all are looked for in the same file"


def _looked_for(data: Mapping[str, Any], camera: Any) -> set[str]:
    """Return the described events that a camera looks for, enabled or not."""
    listed, zones = chosen(mapping(camera)), mapping(mapping(camera).get("zones"))
    names = described(data).keys() if listed is None else {str(name) for _, name in listed}
    return {name for name in names if not (wanted := _zones(data, camera, name)) or any(z in zones for z in wanted)}


def _zones(data: Mapping[str, Any], camera: Any, event: str) -> list[Any]:
    """Return the zones in which a camera looks for an event."""
    own = mapping(mapping(mapping(camera).get("events")).get(event)).get("zone")
    zone = own or mapping(described(data).get(event)).get("zone")
    return [zone] if isinstance(zone, str) else list(zone) if isinstance(zone, list) else []
