"""A look at the files of a configuration before models are loaded: what is missing is said at once."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from workers.errors import SourceError
from workers.sources.containers.sniffing import check_content
from workers.sources.url import parse_target
from workers.types import CameraSpec

log = structlog.get_logger()


def unreadable_files(cameras: Sequence[CameraSpec]) -> Iterator[SourceError]:
    """Log and yield the error of each camera whose file is missing, empty, or no media at first sight."""
    for camera in cameras:
        target = parse_target(camera.url)
        if target.kind != "file":
            continue
        try:
            check_content(Path(target.name), camera.name, camera.url)
        except SourceError as error:
            log.warning("input cannot be read", camera=camera.name, code=error.code, error=str(error))
            yield error
