"""What differs between two configurations, and what of it takes effect without a restart of the daemon."""

from dataclasses import dataclass, replace

from pydantic import BaseModel

from daemon.config.schema import Config
from daemon.config.sections.cameras import CameraConfig
from workers.types import CameraSpec

LIVE = frozenset({"cameras", "events", "alerts", "privacy", "retention"})
"""Sections that a running daemon takes up, and ``models.verifier``; what differs in another one needs a restart."""
VERIFIER = "models.verifier"


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of cameras and events that differ, sections that are taken up, and keys that need a restart.

    ``cameras_changed`` are restarted, alone; on those in ``rules_changed`` only the rules change, while they run.
    """

    cameras_added: tuple[str, ...] = ()
    cameras_removed: tuple[str, ...] = ()
    cameras_changed: tuple[str, ...] = ()
    rules_changed: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)

    def as_json(self) -> dict[str, list[str]]:
        """Return what differs, without what does not."""
        return {name: list(names) for name in self.__slots__ if (names := getattr(self, name))}


def in_force(started: Config, new: Config) -> Config:
    """Return the configuration that a daemon follows which was ``started`` with another one."""
    fixed = [name for name in type(started).model_fields if name not in LIVE]
    models = started.models.model_copy(update={"verifier": new.models.verifier})
    return new.model_copy(update={name: getattr(started, name) for name in fixed} | {"models": models})


def changes(before: Config, new: Config, started: Config | None = None) -> Changes:
    """Return what differs between the configuration in force and a new one.

    ``started`` is the one that the daemon was started with, which says what needs a restart. Default: ``before``.
    """
    both_in_force = (before, in_force(before, new))
    old, cameras = ({c.name: c for c in config.camera_specs()} for config in both_in_force)
    old_rules, rules = ({n: config.event_specs(n) for n in config.cameras} for config in both_in_force)
    both = [name for name in cameras if name in old]
    changed = tuple(n for n in both if _without_events(cameras[n]) != _without_events(old[n]))
    names = (*before.events, *(name for name in new.events if name not in before.events))
    others = [name for name in sorted(LIVE - {"cameras", "events"}) if getattr(before, name) != getattr(new, name)]
    others += [VERIFIER] if before.models.verifier != new.models.verifier else []
    if any(_told(before.cameras[n]) != _told(new.cameras[n]) for n in before.cameras.keys() & new.cameras.keys()):
        others.append("cameras")
    return Changes(
        cameras_added=tuple(name for name in cameras if name not in old),
        cameras_removed=tuple(name for name in old if name not in cameras),
        cameras_changed=changed,
        rules_changed=tuple(n for n in both if n not in changed and old_rules[n] != rules[n]),
        events=tuple(n for n in names if before.events.get(n) != new.events.get(n)),
        sections=tuple(others),
        needs_restart=tuple(_fixed(started or before, new)),
    )


def _without_events(camera: CameraSpec) -> CameraSpec:
    return replace(camera, events=())


def _told(camera: CameraConfig) -> object:
    """Return settings of a camera that its stream does not know of: whom it alerts, and what looks at its events."""
    overrides = camera.events if isinstance(camera.events, dict) else {}
    return camera.alert, camera.verifier, {name: one.alert for name, one in overrides.items() if one and one.alert}


def _fixed(started: Config, new: Config) -> list[str]:
    """Return the keys outside of the live sections that differ, as ``models.profile``."""
    found: list[str] = []
    for name in type(new).model_fields:
        old, value = getattr(started, name), getattr(new, name)
        if name in LIVE or old == value:
            continue
        if isinstance(old, BaseModel) and isinstance(value, BaseModel):
            keys = [f"{name}.{k}" for k in type(value).model_fields if getattr(old, k) != getattr(value, k)]
            found += [key for key in keys if key != VERIFIER]
        else:
            found.append(name)
    return found
