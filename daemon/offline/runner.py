"""Process files with the daemon's pipeline, one after another and without Redis, for ``tag`` and ``eval``."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import structlog

from alignment.errors import WatchwordError
from alignment.temporal.rule import TemporalRule
from daemon.config.sections.services import SpeechConfig
from daemon.runtime.base import Runtime, StreamStarter
from daemon.runtime.factory import SAMPLE, build_runtime
from workers.decisions.snapshot import StreamSnapshot, StreamState
from workers.events.event import Event
from workers.models.options import EncoderOptions
from workers.redaction import RedactedUrl
from workers.services.aligner_options import AlignerOptions, check_checkpoint
from workers.services.settings import ServiceSettings
from workers.types import CameraSpec, ClipOptions, EventSpec, MediaLimits, Utterance

CAMERA = "file"
FPS = 1.0  # sampled frames per second of a file
POLL_S = 0.05

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OfflineSettings:
    """Settings for files. ``pictures``: a folder for pictures of events; ``clips``: and for clips of them.

    ``blur_faces``: blur faces before frames are embedded or drawn. ``over_time``: rules of the camera ``CAMERA``.
    """

    models: EncoderOptions = field(default_factory=EncoderOptions)
    aligner: AlignerOptions = field(default_factory=AlignerOptions)
    speech: SpeechConfig = field(default_factory=SpeechConfig)
    limits: MediaLimits = field(default_factory=MediaLimits)
    pictures: Path | None = None
    clips: bool = False
    blur_faces: bool = False
    over_time: tuple[TemporalRule, ...] = ()


@dataclass(frozen=True, slots=True)
class FileResult:
    """Result of one file: the last revision of each event and what was said, or an error.

    ``warnings`` are about the file, ``event_warnings`` about events that will not be found as they are described.
    """

    path: Path
    events: tuple[Event, ...]
    duration_s: float
    error: WatchwordError | None
    warnings: tuple[str, ...]
    transcript: tuple[Utterance, ...]
    event_warnings: tuple[str, ...] = ()


class FileRuntime(StreamStarter, Protocol):
    """What ``tag_file`` needs of a runtime."""

    def take_events(self) -> tuple[Event, ...]:
        """Return the last revision of the latest events, and forget them."""
        ...


def tag_files(
    files: Sequence[Path],
    events_for: Callable[[Path], Sequence[EventSpec]],
    settings: OfflineSettings,
    on_progress: Callable[[Path, float, float | None], None],
) -> Iterator[FileResult]:
    """Yield the result of each file; ``on_progress`` gets the file, position and duration in seconds.

    What will not be found is logged when the first file with that event begins.
    """
    runtime = open_runtime(settings)
    runtime.start()
    said = set[str]()

    def warn(text: str) -> None:
        """Log a warning once."""
        if text not in said:
            log.warning(text)
        said.add(text)

    try:
        for path in files:
            yield tag_file(runtime, path, tuple(events_for(path)), settings, on_progress, warn)
    finally:
        runtime.stop()


def open_runtime(settings: OfflineSettings) -> Runtime:
    """Return a runtime, not started, that does not publish."""
    return build_runtime("local", service_settings(settings))


def service_settings(settings: OfflineSettings) -> ServiceSettings:
    """Return the settings of the services, without Redis and state folder; raise ``CheckpointError``."""
    check_checkpoint(settings.aligner)
    speech = settings.speech.options(settings.models.profile)
    return ServiceSettings(
        settings.models,
        speech,
        settings.aligner,
        settings.limits,
        sample=SAMPLE,
        pictures=settings.pictures,
        clips=ClipOptions(settings.clips),
    )


def tag_file(
    runtime: FileRuntime,
    path: Path,
    events: tuple[EventSpec, ...],
    settings: OfflineSettings,
    on_progress: Callable[[Path, float, float | None], None],
    on_warning: Callable[[str], None] = lambda text: None,
) -> FileResult:
    """Process one file to its end; ``on_warning`` gets what will not be found, again and again from the beginning."""
    events = tuple(replace(event, verify=None) for event in events)  # no verifier runs here
    names = tuple(e.name for e in events)
    url, blur = RedactedUrl(str(path)), settings.blur_faces
    rules = tuple(rule for rule in settings.over_time if rule.events <= {*names})
    camera = CameraSpec(CAMERA, url, FPS, events=names, blur_faces=blur, results=True, over_time=rules)
    stream = runtime.start_stream(camera, events)
    try:
        snapshot = stream.snapshot()
        while snapshot.state not in (StreamState.FINISHED, StreamState.FAILED):
            time.sleep(POLL_S)
            snapshot = stream.snapshot()
            for text in snapshot.warnings:
                on_warning(text)
            on_progress(path, snapshot.position_s, snapshot.duration_s)
    finally:
        stream.kill()
    found = runtime.take_events()
    transcript = snapshot.results.transcript if snapshot.results else ()
    warnings = warnings_of(snapshot)
    return FileResult(path, found, watched_s(snapshot), _error(snapshot), warnings, transcript, snapshot.warnings)


def watched_s(snapshot: StreamSnapshot) -> float:
    """Return the processed seconds: a damaged file may be shorter than it declares."""
    watched = snapshot.position_s + 1 / FPS
    return watched if snapshot.duration_s is None else min(watched, snapshot.duration_s)


def _error(snapshot: StreamSnapshot) -> WatchwordError | None:
    return snapshot.failure if snapshot.state == StreamState.FAILED else None


def warnings_of(snapshot: StreamSnapshot, before: StreamSnapshot | None = None) -> tuple[str, ...]:
    """Return the problems of a file that was read; ``before``: a snapshot whose counts are of earlier files."""
    lost = sum(snapshot.source.dropped.values()) - (sum(before.source.dropped.values()) if before else 0)
    found = [snapshot.source.last_error] if snapshot.source.last_error else []
    return (
        *snapshot.source.passed_over,
        *found,
        *([f"{lost} frames or packets could not be used"] if lost and not found else ()),
    )
