"""What callers give, as the daemon's own settings: validated by the rules of the configuration file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal, TypeAlias

from daemon.config import Config, config_from, load_config
from daemon.logs.setup import register_secrets
from daemon.offline.runner import OfflineSettings
from daemon.offline.tagging import settings_of, specs_of_texts
from workers.models.profiles import ProfileName
from workers.types import CameraSpec, EventSpec, Polygon

AnyPath: TypeAlias = str | PathLike[str]
Events: TypeAlias = str | Sequence[str] | Mapping[str, Any]
"""Descriptions; or names with a description, several wordings, or the settings of `events.NAME` of a configuration."""
Fps: TypeAlias = float | Literal["keyframes"]
Area: TypeAlias = Polygon | Sequence[Sequence[float]]

NO_URL = "synthetic://frames"  # of what has no URL


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which models: those of a configuration file, and a profile that overrides it; None: the defaults."""

    config: AnyPath | None = None
    profile: ProfileName | None = None

    def load(self) -> tuple[Config | None, OfflineSettings]:
        """Return the configuration, and the settings that follow; raise ``ConfigError``."""
        config = None if self.config is None else load_config(Path(self.config), inputs_required=False)
        register_secrets(config.secrets() if config else ())
        return config, settings_of(config, self.profile)


@dataclass(frozen=True, slots=True)
class Input:
    """One camera as a caller describes it. ``blur_faces`` None: as the configuration says."""

    name: str
    url: AnyPath = NO_URL
    fps: Fps = 1.0
    audio: bool = True
    zones: Mapping[str, Area] | None = None
    masks: Sequence[Area] = ()
    blur_faces: bool | None = None

    def resolve(
        self, events: Events | None, config: Config | None, settings: OfflineSettings
    ) -> tuple[CameraSpec, tuple[EventSpec, ...]]:
        """Return the camera and its events, those of ``config`` if none are given; raise ``ConfigError``."""
        given = _named(events) if events is not None else _events_of(config)
        camera: dict[str, Any] = {"url": fspath(self.url), "fps": self.fps, "audio": self.audio}
        camera["zones"] = {name: _corners(area) for name, area in (self.zones or {}).items()}
        camera["masks"] = [_corners(area) for area in self.masks]
        if self.blur_faces is not None:
            camera["blur_faces"] = self.blur_faces
        watched = config_from({"cameras": {self.name: camera}, "events": given}, Path.cwd(), "arguments")
        register_secrets(watched.secrets())
        (spec,) = watched.camera_specs()
        blurs = settings.blur_faces if self.blur_faces is None else self.blur_faces
        return replace(spec, blur_faces=blurs), watched.event_specs(self.name)


def file_events(events: Events | None, config: Config | None) -> tuple[EventSpec, ...]:
    """Return the events to look for in a file, which has no zones; raise ``ConfigError``."""
    given = _named(events) if events is not None else _events_of(config)
    return config_from({"events": given}, Path.cwd(), "arguments").event_specs()


def _named(events: Events) -> dict[str, Any]:
    """Return events as in a configuration file; descriptions without a name are named after their words."""
    if isinstance(events, Mapping):
        return {name: _plain(value) for name, value in events.items()}
    texts = [events] if isinstance(events, str) else list(events)
    wrong = next((text for text in texts if not isinstance(text, str)), None)
    if wrong is not None:
        raise TypeError(f"an event is described by a text, not by {wrong!r}; give a mapping to name events")
    return {spec.name: {"describe": list(spec.describe)} for spec in specs_of_texts(texts)}


def _plain(value: Any) -> dict[str, Any]:
    """Return one event as a mapping with ``describe``."""
    return dict(value) if isinstance(value, Mapping) else {"describe": value if isinstance(value, str) else list(value)}


def _events_of(config: Config | None) -> dict[str, Any]:
    if config is None:
        raise TypeError('say what to look for: ["a dog"], or name a configuration file with `config`')
    others = {"verify"}  # nobody verifies here
    return {name: event.model_dump(exclude_none=True, exclude=others) for name, event in config.described.items()}


def _corners(area: Area) -> list[list[float]]:
    return [list(map(float, corner)) for corner in area]
