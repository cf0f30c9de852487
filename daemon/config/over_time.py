"""Rules over time as they are evaluated: on which cameras each one is."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from alignment.temporal.expressions import bind, refs
from alignment.temporal.rule import TemporalRule
from daemon.config.schema import Config
from daemon.config.sections.events import RuleOverTime
from workers.sources.url import is_live
from workers.types import CameraSpec, EventSpec


def rules_of_cameras(config: Config) -> tuple[TemporalRule, ...]:
    """Return each enabled rule: once if it names all cameras, else once for each camera that has all its events."""
    events = {camera: _names(config.event_specs(camera)) for camera in config.cameras}
    return tuple(
        _rule(name, entry, camera)
        for name, entry in config.over_time.items()
        if entry.enabled
        for camera in _cameras(entry, events)
    )


def rules_of_files(config: Config, camera: str) -> tuple[TemporalRule, ...]:
    """Return the enabled rules that name no camera, for files that are watched under the name ``camera``."""
    events = _names(config.event_specs())
    return tuple(
        _rule(name, entry, camera)
        for name, entry in config.over_time.items()
        if entry.enabled and all(ref.camera is None and ref.event in events for ref in refs(entry.when.expression))
    )


def camera_specs(config: Config) -> tuple[CameraSpec, ...]:
    """Return all cameras; those that are files have the rules with them that are decided on their events."""
    rules = rules_of_cameras(config)
    return tuple(
        spec if is_live(spec.url) else replace(spec, over_time=tuple(r for r in rules if r.camera == spec.name))
        for spec in config.camera_specs()
    )


def _names(specs: tuple[EventSpec, ...]) -> frozenset[str]:
    return frozenset(spec.name for spec in specs)


def _cameras(entry: RuleOverTime, events: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """Yield the cameras to which a rule belongs: the first it names, or those that look for all that it names."""
    named = [ref for ref in refs(entry.when.expression) if ref.camera is not None]
    own = {ref.event for ref in refs(entry.when.expression) if ref.camera is None}
    if all(ref.event in events.get(str(ref.camera), ()) for ref in named):
        yield from (camera for camera, known in events.items() if own <= known) if own else [str(named[0].camera)]


def _rule(name: str, entry: RuleOverTime, camera: str) -> TemporalRule:
    priority = 5 if entry.priority is None else entry.priority
    return TemporalRule(name, camera, bind(entry.when.expression, camera), entry.when.text, priority)
