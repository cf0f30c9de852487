"""Build the source of a camera from its URL."""

from workers.clock import Clock, SystemClock
from workers.rlimits import confine
from workers.sources.base import Source
from workers.sources.file import FileSource
from workers.sources.live.source import LiveSource
from workers.sources.synthetic import SyntheticSource
from workers.sources.url import parse_target
from workers.types import CameraSpec, FrameSpec


def build_confined(camera: CameraSpec, frame_spec: FrameSpec, clock: Clock) -> Source:
    """Apply the camera's memory limit to this process and return the source, unopened."""
    confine(camera.limits.memory_mib)
    return build_source(camera, frame_spec, clock)


def build_source(camera: CameraSpec, frame_spec: FrameSpec, clock: Clock | None = None) -> Source:
    """Return the source for ``camera.url``, unopened; raise ``SourceUnsupported`` for an unknown scheme.

    HTTP is always live: a playlist, an endless transport stream, or a file, which then plays in real time and
    restarts at its end.
    """
    target = parse_target(camera.url)
    clock = clock or SystemClock()
    if target.kind == "synthetic":
        return SyntheticSource(camera, frame_spec, clock)
    if target.kind == "file":
        return FileSource(camera, target, frame_spec, clock)
    return LiveSource(camera, target, frame_spec, clock)
