"""Limits for files and streams."""

from pydantic import Field

from daemon.config.base import Section
from daemon.config.units import Timeout
from workers.types import MediaLimits

_DEFAULT = MediaLimits()


class LimitsConfig(Section):
    """Inputs beyond these limits are rejected, because an input may be hostile."""

    pixels: int = Field(
        default=_DEFAULT.max_pixels,
        ge=1_000,
        le=1_000_000_000,
        description="Pixels of one frame. The default permits 8K.",
    )
    fps: float = Field(default=_DEFAULT.max_fps, ge=1, le=1_000_000, description="Frames per second of a file.")
    duration: Timeout = Field(default=_DEFAULT.max_duration_s, description="Duration of a file.")
    streams: int = Field(default=_DEFAULT.max_streams, ge=1, le=1_000, description="Tracks in one file or stream.")
    pixel_rate: int = Field(
        default=_DEFAULT.max_pixel_rate,
        ge=1_000,
        le=1_000_000_000_000,
        description="Decoded pixels per second: frame size times rate. The default permits 8K at 60 frames per second.",
    )
    memory_mib: int = Field(
        default=_DEFAULT.memory_mib,
        ge=64,
        le=1_000_000,
        description="Memory for decoding one input, MiB. Beyond it this input fails; the others continue.",
    )

    def limits(self) -> MediaLimits:
        """Return the limits for the sources."""
        return MediaLimits(
            max_pixels=self.pixels,
            max_fps=self.fps,
            max_duration_s=self.duration,
            max_streams=self.streams,
            max_pixel_rate=self.pixel_rate,
            memory_mib=self.memory_mib,
        )
