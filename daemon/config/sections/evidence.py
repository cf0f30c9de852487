"""Evidence of events: snapshots, explanation pictures and clips."""

from typing import Annotated

from pydantic import Field

from daemon.config.base import Section
from daemon.config.types import EvidencePlace
from daemon.config.units import Duration, Size
from workers.types import ClipOptions

_DEFAULT = ClipOptions()
_Roll = Annotated[Duration, Field(ge=0, le=60)]


class EvidenceConfig(Section):
    """Snapshots, explanation pictures and clips of events."""

    where: EvidencePlace | None = Field(
        default=None,
        description="Folder, or URL of a folder in any file system of fsspec, for example s3://bucket/cameras. "
        "Default: the folder `evidence` in `state_dir`.",
    )
    clips: bool = Field(default=True, description="Keep a short video of each event.")
    pre: _Roll = Field(
        default=_DEFAULT.pre_s,
        description="How much of the time before an event a clip shows, at least; up to 60s.",
        json_schema_extra={"default": "5s"},
    )
    post: _Roll = Field(
        default=_DEFAULT.post_s,
        description="How much of the time after an event a clip shows; up to 60s.",
        json_schema_extra={"default": "5s"},
    )
    longest: Annotated[Duration, Field(ge=5, le=600)] = Field(
        default=_DEFAULT.longest_s,
        description="Longest clip, 5s to 10m. Of a longer event it shows the beginning.",
        json_schema_extra={"default": "60s"},
    )
    memory: Size = Field(
        default=_DEFAULT.memory,
        description="Memory for each live camera, of the video that is kept encoded for clips; at most a quarter of "
        "limits.memory_mib.",
        json_schema_extra={"default": "32MiB"},
    )

    unusual: bool = Field(
        default=True,
        description="Keep pictures of live moments without an event: of what is unlike all that a camera has shown, "
        "some 25 kB each, at most 300 a day and camera, and in the index thumbnails of what changes, 2 MiB a day.",
    )

    def options(self) -> ClipOptions:
        """Return the options of clips, and of pictures without an event."""
        return ClipOptions(self.clips, self.pre, self.post, self.longest, self.memory, self.unusual)
