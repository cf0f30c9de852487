"""Opens the source of a stream, which for a live one may take many tries."""

import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from workers.backoff import Backoff
from workers.clock import Clock
from workers.errors import SourceError
from workers.events.file_identity import FileIdentity
from workers.sources.base import RETRY_S, Source
from workers.sources.url import is_live, parse_target
from workers.types import CameraSpec, SourceInfo

log = structlog.get_logger()


def file_identity(camera: CameraSpec, info: SourceInfo, stopping: threading.Event) -> FileIdentity | None:
    """Return the file that a camera reads; None for a live stream."""
    target = parse_target(camera.url)
    if target.kind != "file":
        return None
    return FileIdentity(Path(target.name), info.duration_s, stopping, upload=camera.upload)


def open_source(
    source: Source,
    camera: CameraSpec,
    clock: Clock,
    stopping: threading.Event,
    on_failure: Callable[[SourceError], None],
) -> SourceInfo | None:
    """Open a source and return what it is. A live source is tried until it responds; None: stopped before.

    Raise the ``SourceError`` of a file. ``on_failure`` receives that of each try of a live source.
    """
    backoff = Backoff(clock, max_s=RETRY_S)
    while not stopping.is_set():
        try:
            return source.open()
        except SourceError as error:
            if stopping.is_set():
                break
            if not is_live(camera.url):
                raise
            wait = backoff.failed(error.retryable)
            on_failure(error)
            log.warning("source_down", camera=camera.name, code=error.code, error=str(error), retry_s=round(wait, 1))
            stopping.wait(wait)
    return None
