"""From a configuration of Frigate (https://docs.frigate.video/configuration/reference) to a draft of ours.

Taken over: the stream of each enabled camera on which Frigate detects, the objects that it tracks there, the zones
that its alerts require, and the sounds that it listens for. Frigate writes environment variables as we do.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from alignment.errors import ExitCode, WatchwordError
from daemon.config.sections.cameras import UPLOADS
from daemon.drafting.draft import CameraDraft, Draft, EventDraft
from workers.queries.sounds import heard_sounds
from workers.types import Polygon

TRACKED = ("person",)  # Frigate's defaults
LISTENED = ("bark", "fire_alarm", "scream", "speech", "yell")
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_MASKS = "{}: masks; those of Frigate leave areas out, `masks` here list the areas that are looked at"


class FrigateInvalid(WatchwordError):
    """A file is not a configuration of Frigate from which cameras can be taken."""

    code = "frigate_invalid"
    exit_code = ExitCode.USAGE
    remedy = "give the file that Frigate reads, usually config.yml"


def read_frigate(path: Path) -> Draft:
    """Return a draft; raise ``FrigateInvalid`` if the file has no camera that can be watched."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise FrigateInvalid(f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is not text'}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1})" if mark else ""
        raise FrigateInvalid(f"{path} is not YAML that can be read{place}") from None  # its text may hold a password
    found = _Frigate(_mapping(data))
    cameras = tuple(found.cameras())
    if not cameras:
        reasons = "; ".join(found.notes) or "it has no `cameras:`"
        raise FrigateInvalid(f"{path} has no camera that can be watched: {reasons}")
    return Draft(cameras, tuple(found.events.values()), notes=tuple(found.notes))


class _Frigate:
    """Reads one configuration; collects the events of all cameras, and what is not taken over."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self._streams = _mapping(_mapping(data.get("go2rtc")).get("streams"))
        self.events: dict[str, EventDraft] = {}
        self.notes: list[str] = []

    def cameras(self) -> Iterator[CameraDraft]:
        """Yield a draft of each camera; those that use all events name none."""
        found = list(self._found())
        for camera in found:
            every = set(camera.events or ()) == set(self.events) and not camera.zones
            yield replace(camera, events=None if every else camera.events)

    def _found(self) -> Iterator[CameraDraft]:
        for given, value in _mapping(self._data.get("cameras")).items():
            name, camera = _camera_name(str(given)), _mapping(value)
            if camera.get("enabled") is False:
                self.notes.append(f"{name}: it is disabled")
                continue
            path = _detected(camera)
            if path is None:
                self.notes.append(f"{name}: it has no input with a path")
                continue
            url, comments = self._behind(path)
            objects, sounds = tuple(self._objects(camera)), tuple(self._sounds(name, camera))
            if not (events := tuple(dict.fromkeys((*objects, *sounds)))):
                self.notes.append(f"{name}: nothing is tracked there")
                continue
            if any(_mapping(camera.get(part)).get("mask") for part in ("motion", "objects")):
                self.notes.append(_MASKS.format(name))
            zones = tuple(self._zones(name, camera))
            yield CameraDraft(name, url, events, comments, zones, objects if zones else ())

    def _behind(self, path: str) -> tuple[str, tuple[str, ...]]:
        """Return the camera's own URL for a stream that go2rtc, beside Frigate, passes on under ``path``."""
        parts = urlsplit(path)
        stream = parts.path.strip("/")
        if parts.hostname not in _LOOPBACK or stream not in self._streams:
            return path, ()
        sources = (_plain_source(str(source)) for source in _sequence(self._streams[stream]))
        own = next((source for source in sources if source is not None), None)
        if own is None:
            return path, ()
        return own, (f"passed on by Frigate's go2rtc as {path}",)

    def _objects(self, camera: Mapping[str, Any]) -> Iterator[str]:
        """Yield the events of the objects that are tracked on a camera."""
        own, common = (_mapping(part.get("objects")).get("track") for part in (camera, self._data))
        for label in _sequence(own if own is not None else common if common is not None else TRACKED):
            thing = str(label).replace("_", " ")
            article = "an" if thing[:1].lower() in "aeiou" else "a"
            yield self._event(EventDraft(_name(str(label)), f"{article} {thing}"))

    def _sounds(self, name: str, camera: Mapping[str, Any]) -> Iterator[str]:
        """Yield the events of the sounds that are listened for on a camera."""
        audio = {**_mapping(self._data.get("audio")), **_mapping(camera.get("audio"))}
        if audio.get("enabled") is not True:
            return
        for label in _sequence(audio.get("listen", LISTENED)):
            sound = str(label).replace("_", " ")
            if not heard_sounds(sound):
                self.notes.append(f"{name}: the sound {sound!r}, which is not known here")
                continue
            yield self._event(EventDraft(f"{_name(str(label))}_sound", sound, ("sound",)))

    def _zones(self, name: str, camera: Mapping[str, Any]) -> Iterator[tuple[str, Polygon]]:
        """Yield the zones in which an object must be for an alert."""
        required = {str(zone) for zone in _required_zones(camera) or _required_zones(self._data)}
        size = {key: value for key, value in camera.items() if key in ("width", "height")}  # before Frigate 0.9
        detect = {**_mapping(self._data.get("detect")), **size, **_mapping(camera.get("detect"))}
        for given, zone in _mapping(camera.get("zones")).items():
            area = _polygon(_mapping(zone).get("coordinates"), detect)
            if str(given) not in required:
                self.notes.append(f"{name}: zone {given}, which no alert requires")
            elif area is None:
                self.notes.append(f"{name}: zone {given}, whose coordinates are pixels of a frame of unknown size")
            else:
                yield _name(str(given)), area

    def _event(self, event: EventDraft) -> str:
        return self.events.setdefault(event.name, event).name


def _required_zones(part: Mapping[str, Any]) -> Sequence[Any]:
    """Return the zones that alerts require; before Frigate 0.14 events had them."""
    alerts = _mapping(_mapping(part.get("review")).get("alerts"))
    events = _mapping(_mapping(part.get("record")).get("events"))
    return _sequence(alerts.get("required_zones")) or _sequence(events.get("required_zones"))


def _detected(camera: Mapping[str, Any]) -> str | None:
    """Return the path of the input on which Frigate detects; an only input needs no role."""
    inputs = [_mapping(i) for i in _sequence(_mapping(camera.get("ffmpeg")).get("inputs"))]
    inputs = [i for i in inputs if i.get("path")]
    detecting = [i for i in inputs if "detect" in _sequence(i.get("roles"))]
    return str((detecting or inputs)[0]["path"]).strip() if inputs else None


def _polygon(coordinates: Any, detect: Mapping[str, Any]) -> Polygon | None:
    """Return corners as shares of the frame; None if they are pixels and ``detect`` names no size, or no numbers."""
    texts = ",".join(map(str, _sequence(coordinates))).split(",")
    try:
        numbers = [float(text) for text in texts]
        if max(numbers) > 1:
            sides = float(detect["width"]), float(detect["height"])
            numbers = [min(1.0, number / sides[i % 2]) for i, number in enumerate(numbers)]
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return tuple(zip(numbers[::2], numbers[1::2], strict=False))


def _plain_source(source: str) -> str | None:
    """Return the URL of a go2rtc source that we can read as well; None for others (``exec:``, ``onvif:``)."""
    url = source.removeprefix("ffmpeg:").partition("#")[0]
    return url if url.startswith(("rtsp://", "rtsps://", "http://", "https://")) else None


def _camera_name(given: str) -> str:
    name = _name(given)
    return f"{name}_camera" if name == UPLOADS else name


def _name(given: str) -> str:
    """Return a name that the configuration allows."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", given).strip("_")[:58] or "unnamed"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: Any) -> Sequence[Any]:
    """Return a list; Frigate takes a single value for a list of one."""
    return value if isinstance(value, list | tuple) else () if value is None else (value,)
