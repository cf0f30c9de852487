"""Inputs: cameras and the upload folder."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from daemon.config.base import Section
from daemon.config.sections.alerts import AlertRule
from daemon.config.sections.events import EventOverride
from daemon.config.sections.verifier import CameraVerifier
from daemon.config.types import AnyPath, Area, CameraUrl, HostName, Name
from daemon.config.units import Fps, Priority, Size, Timeout
from workers.types import CameraSpec, Zone

UPLOADS = "uploads"  # the camera name of all uploads: a metric label, and part of every id


def _form(value: Any) -> str:
    return "overrides" if isinstance(value, dict) else "names"


CameraEvents = Annotated[
    Annotated[tuple[Name, ...], Field(min_length=1), Tag("names")]
    | Annotated[dict[Name, EventOverride | None], Field(min_length=1), Tag("overrides")],
    Discriminator(_form),
]
"""Names of events, or names with overrides for this camera."""


class CameraConfig(Section):
    """One camera or file."""

    url: CameraUrl = Field(
        description="rtsp://, http(s):// (HLS too), udp:// or tcp:// URL, webcam device, or path of a file. "
        "{NAME} is replaced by the environment variable NAME."
    )
    fps: Fps = Field(
        default=1.0, description='Analysed frames per second, up to 60, or "keyframes", which costs least.'
    )
    audio: bool = Field(default=True, description="Analyse audio.")
    audio_track: int | None = Field(
        default=None,
        ge=0,
        le=63,
        description="Index of the audio track. Default: the track that the file marks as default.",
    )
    events: CameraEvents | None = Field(
        default=None, description="Events to detect: names, or names with overrides. Default: all."
    )
    alert: AlertRule | None = Field(
        default=None,
        description="To whom and when events of this camera are alerted. Default: as `alerts` says. What an event "
        "says itself counts more.",
    )
    priority: Priority = Field(
        default=5,
        description="0 to 10. Under overload, work for cameras with a lower priority is delayed or dropped first.",
    )
    blur_faces: bool | None = Field(
        default=None, description="Hide faces before a frame is stored or analysed. Default: privacy.blur_faces."
    )
    clips: bool = Field(
        default=True, description="Keep a clip of each event of this camera, where `evidence.clips` allows it."
    )
    masks: tuple[Area, ...] = Field(
        default=(),
        max_length=20,
        description="Areas of the frame that are analysed: polygons, each a list of corners [x, y], as shares of the "
        "frame's width and height from its upper left corner. What lies outside all of them is black. Default: the "
        "whole frame.",
    )
    zones: Annotated[dict[Name, Area], Field(max_length=20)] = Field(
        default={},
        description="Named areas of the frame, polygons as in masks. An event with `zone: NAME` is looked for in that "
        "area only.",
    )
    verifier: CameraVerifier | None = Field(
        default=None,
        description="none: no picture and no word of this camera is sent to a verifier; or another verifier for this "
        "camera. Default: models.verifier.",
    )
    loop: bool = Field(default=False, description="Restart a file when it ends.")
    open_timeout: Timeout = Field(default=10.0, description="Time limit for opening the source.")
    read_timeout: Timeout = Field(default=5.0, description="A source that sends nothing for this long is reopened.")
    stall_timeout: Timeout = Field(
        default=15.0,
        description="A stream without a frame for this long is stalled and is reopened. HLS segments may last as long.",
    )

    hosts: tuple[HostName, ...] = Field(
        default=(),
        max_length=50,
        description="Further hosts (or host:port) that playlists and redirects of the url may refer to.",
    )

    def event_names(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of the events to detect; ``known`` are all events."""
        return known if self.events is None else tuple(self.events)

    def zones_of(self, event: str, zone: tuple[str, ...] | None) -> tuple[Zone, ...] | None:
        """Return the zones of this camera in which an event is looked for, none for the whole frame.

        ``zone`` are the event's own, which the camera may override. None: it names none of this camera's zones, and is
        not looked for here.
        """
        override = self.override(event)
        names = (override.zone if override else None) or zone
        found = tuple(Zone(name, self.zones[name]) for name in names or () if name in self.zones)
        return found if found or not names else None

    def override(self, event: str) -> EventOverride | None:
        """Return the override of an event on this camera, or None."""
        return self.events.get(event) if isinstance(self.events, dict) else None

    def spec(self, name: str, events: tuple[str, ...], blur_faces: bool) -> CameraSpec:
        """Return the camera for the runtime, with its ``events``; ``blur_faces`` is the default if it sets none."""
        return CameraSpec(
            name=name,
            url=self.url,
            fps=self.fps,
            audio=self.audio,
            audio_track=self.audio_track,
            events=events,
            blur_faces=blur_faces if self.blur_faces is None else self.blur_faces,
            masks=self.masks,
            loop=self.loop,
            priority=self.priority,
            open_timeout_s=self.open_timeout,
            read_timeout_s=self.read_timeout,
            stall_timeout_s=self.stall_timeout,
            hosts=self.hosts,
            clips=self.clips,
        )


class UploadsConfig(Section):
    """A folder whose files are analysed as they arrive."""

    folder: AnyPath = Field(description="Folder in which files arrive.")
    done: AnyPath = Field(description="Folder for files that are done. Unreadable files go to its subfolder `failed`.")
    sidecars: bool = Field(
        default=False, description="Write the results of each file beside it in `done`, as JSON, CSV and WebVTT."
    )
    max_size: Size = Field(
        default=4 << 30, description="Largest file that is accepted over HTTP (`POST /api/v1/uploads`)."
    )
