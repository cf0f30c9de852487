"""How much a file or a stream may ask for."""

from pydantic import Field

from daemon.config.base import Section
from daemon.config.units import Timeout
from workers.types import MediaLimits

_DEFAULT = MediaLimits()


class LimitsConfig(Section):
    """What is refused, for nobody knows who made a file or answers for a camera."""

    pixels: int = Field(
        default=_DEFAULT.max_pixels, ge=1_000, le=1_000_000_000, description="Of one picture; 8K fits the default."
    )
    fps: float = Field(default=_DEFAULT.max_fps, ge=1, le=1_000_000, description="Pictures a second of a file.")
    duration: Timeout = Field(default=_DEFAULT.max_duration_s, description="Of a file.")
    streams: int = Field(default=_DEFAULT.max_streams, ge=1, le=1_000, description="Tracks in one file or stream.")
    pixel_rate: int = Field(
        default=_DEFAULT.max_pixel_rate,
        ge=1_000,
        le=1_000_000_000_000,
        description="Pixels a second that are decoded: size times rate; 8K at 60 pictures a second fits the default.",
    )
    memory_mib: int = Field(
        default=_DEFAULT.memory_mib,
        ge=64,
        le=1_000_000,
        description="What decoding one input may take, MiB; beyond it the input fails, and the others go on.",
    )

    def limits(self) -> MediaLimits:
        """Return them as the sources take them."""
        return MediaLimits(
            max_pixels=self.pixels,
            max_fps=self.fps,
            max_duration_s=self.duration,
            max_streams=self.streams,
            max_pixel_rate=self.pixel_rate,
            memory_mib=self.memory_mib,
        )
