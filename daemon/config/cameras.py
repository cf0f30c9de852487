"""What to watch: cameras and the folder of uploads."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from daemon.config.base import Section
from daemon.config.events import EventOverride
from daemon.config.types import AnyPath, CameraUrl, HostName, Name
from daemon.config.units import Fps, Priority, Timeout
from workers.types import CameraSpec

UPLOADS = "uploads"  # the camera that all uploads are of: a metric label, and part of every id


def _form(value: Any) -> str:
    return "overrides" if isinstance(value, dict) else "names"


CameraEvents = Annotated[
    Annotated[tuple[Name, ...], Field(min_length=1), Tag("names")]
    | Annotated[dict[Name, EventOverride | None], Field(min_length=1), Tag("overrides")],
    Discriminator(_form),
]
"""Names of events, or names with what is different about them on this camera."""


class CameraConfig(Section):
    """One camera or file."""

    url: CameraUrl = Field(
        description="rtsp://, http(s):// (also HLS), udp://, tcp://, a webcam's device, or a file's path. "
        "{NAME} stands for an environment variable."
    )
    fps: Fps = Field(
        default=1.0, description='Frames a second to look at, up to 60, or "keyframes" for the cheapest tier.'
    )
    audio: bool = Field(default=True, description="Whether to listen.")
    audio_track: int | None = Field(
        default=None, ge=0, le=63, description="Which audio track; default: the one marked so."
    )
    events: CameraEvents | None = Field(
        default=None, description="Which events to watch for: names, or names with overrides. Default: all."
    )
    priority: Priority = Field(
        default=5, description="0 to 10; where there is more to do than can be done, the lower give way."
    )
    blur_faces: bool | None = Field(
        default=None, description="Whether to hide faces before anything is kept or sent. Default: privacy.blur_faces."
    )
    loop: bool = Field(default=False, description="Start a file again at its end.")
    open_timeout: Timeout = Field(default=10.0, description="How long opening may take.")
    read_timeout: Timeout = Field(default=5.0, description="How long a source may be silent before it is opened anew.")
    stall_timeout: Timeout = Field(
        default=15.0,
        description="Without a frame for this long, the stream is stuck; a playlist's segments may last as long.",
    )

    hosts: tuple[HostName, ...] = Field(
        default=(),
        max_length=50,
        description="Hosts (or host:port) besides the url's own that its playlists and redirects may lead to.",
    )

    def event_names(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of the events to watch for; ``known`` are all."""
        return known if self.events is None else tuple(self.events)

    def override(self, event: str) -> EventOverride | None:
        """Return what is different about an event here."""
        return self.events.get(event) if isinstance(self.events, dict) else None

    def spec(self, name: str, known: tuple[str, ...], blur_faces: bool) -> CameraSpec:
        """Return the camera as the runtime needs it; ``blur_faces`` holds where it does not say itself."""
        return CameraSpec(
            name=name,
            url=self.url,
            fps=self.fps,
            audio=self.audio,
            audio_track=self.audio_track,
            events=self.event_names(known),
            blur_faces=blur_faces if self.blur_faces is None else self.blur_faces,
            loop=self.loop,
            priority=self.priority,
            open_timeout_s=self.open_timeout,
            read_timeout_s=self.read_timeout,
            stall_timeout_s=self.stall_timeout,
            hosts=self.hosts,
        )


class UploadsConfig(Section):
    """A folder whose files are tagged as they arrive."""

    folder: AnyPath = Field(description="Where files arrive.")
    done: AnyPath = Field(description="Where they go afterwards; what cannot be read goes into `failed` below it.")
