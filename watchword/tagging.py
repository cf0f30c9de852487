"""``watchword.tag``: the events of a file."""

from collections.abc import Callable
from dataclasses import dataclass
from os import fspath
from pathlib import Path

import structlog

from daemon.offline.exports import make_writable
from daemon.offline.media_files import find_media
from daemon.offline.runner import tag_file
from daemon.runtime.base import StreamHandle
from watchword.logs import route_logs
from watchword.models import Use, leased
from watchword.settings import AnyPath, Events, ModelChoice, file_events
from workers.errors import SourceInvalid
from workers.events.event import Event
from workers.models.profiles import ProfileName
from workers.services.publisher import PublisherService
from workers.types import CameraSpec, EventSpec

log = structlog.get_logger()


def tag(
    path: AnyPath,
    events: Events | None = None,
    *,
    evidence: AnyPath | None = None,
    profile: ProfileName | None = None,
    config: AnyPath | None = None,
    on_progress: Callable[[float, float | None], None] | None = None,
) -> list[Event]:
    """Return the events of a video or audio file, in order of time.

    ``events``: descriptions (``["a dog"]``), or a mapping of names to descriptions or settings, as in a configuration.
    ``evidence``: a folder for snapshots, clips and explanation pictures; without it nothing is written.
    ``config``: a configuration file whose models, speech, limits and privacy are used, and whose events if ``events``
    is left out. ``profile`` overrides its encoder. ``on_progress`` gets position and duration in seconds; the duration
    is None if it is unknown.

    Raise a ``SourceError`` if the file cannot be read, ``ConfigError`` for descriptions that are no descriptions, and
    ``ModelUnavailable``. What will not be found as it is described is logged as a warning.
    """
    route_logs()
    loaded, settings = ModelChoice(config, profile).load()
    specs = file_events(events, loaded)
    file, folder = _file(path), writable(evidence)
    progress = on_progress or (lambda position, duration: None)
    with leased(settings) as models:
        found = PublisherService(None, None)
        use = _FileUse(Use(models, found, folder), found)
        result = tag_file(use, file, specs, settings, lambda _, at, of: progress(at, of))
    for text in (*result.event_warnings, *result.warnings):
        log.warning(text, file=str(file))
    if result.error is not None:
        raise result.error
    return sorted(result.events, key=lambda event: (event.start, event.end, event.event))


def writable(folder: AnyPath | None) -> Path | None:
    """Return the absolute path of a folder, made if needed; raise ``ExportError`` where it cannot be written to."""
    if folder is None:
        return None
    made = Path(folder).expanduser().absolute()
    make_writable(made, "choose another folder for evidence")
    return made


def _file(path: AnyPath) -> Path:
    """Return a file's path; raise ``SourceError`` if it is no media file at first sight."""
    if Path(path).is_dir():
        raise SourceInvalid(f"{path} is a folder", "give its files one after the other")
    files, refused = find_media([fspath(path)])
    if refused:
        raise refused[0].error
    return files[0].path


@dataclass(frozen=True, slots=True)
class _FileUse:
    """A ``FileRuntime`` whose events are in ``found`` when the file has ended."""

    use: Use
    found: PublisherService

    def start_stream(self, camera: CameraSpec, events: tuple[EventSpec, ...]) -> StreamHandle:
        """Start a stream."""
        return self.use.start_stream(camera, events)

    def take_events(self) -> tuple[Event, ...]:
        """Return the last revision of every event."""
        return self.found.take()
