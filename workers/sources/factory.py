"""From a camera's URL to its source."""

from workers.clock import Clock, SystemClock
from workers.sources.base import Source
from workers.sources.file import FileSource
from workers.sources.live import LiveSource
from workers.sources.synthetic import SyntheticSource
from workers.sources.url import parse_target
from workers.types import CameraSpec, FrameSpec


def build_source(camera: CameraSpec, frame_spec: FrameSpec, clock: Clock | None = None) -> Source:
    """Return the source for ``camera.url``, unopened; raise ``SourceUnsupported`` for an unknown scheme.

    HTTP is live whatever it serves: a playlist, an endless transport stream, or a file, which then plays at
    its own pace and starts again at its end.
    """
    target = parse_target(camera.url)
    clock = clock or SystemClock()
    if target.kind == "synthetic":
        return SyntheticSource(camera, frame_spec, clock)
    if target.kind == "file":
        return FileSource(camera, target, frame_spec, clock)
    return LiveSource(camera, target, frame_spec, clock)
