"""Files through the daemon's own pipeline, one after the other, without Redis: for ``tag`` and ``eval``."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from alignment.errors import WatchwordError
from daemon.config.services import SpeechConfig
from daemon.runtime import Runtime
from daemon.runtimes import build_runtime
from workers.aligners import AlignerOptions, check_checkpoint
from workers.encoders.options import EncoderOptions
from workers.redaction import RedactedUrl
from workers.settings import ServiceSettings
from workers.snapshots import StreamSnapshot
from workers.types import CameraSpec, Event, EventSpec, MediaLimits

CAMERA = "file"
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class OfflineSettings:
    """How files are watched. ``fps``: frames a second to look at; ``pictures``: a folder for what explains events.

    ``blur_faces``: hide faces before anything is embedded or drawn.
    """

    models: EncoderOptions = field(default_factory=EncoderOptions)
    aligner: AlignerOptions = field(default_factory=AlignerOptions)
    speech: SpeechConfig = field(default_factory=SpeechConfig)
    runtime: Literal["local", "ray"] = "local"
    fps: float = 1.0
    limits: MediaLimits = field(default_factory=MediaLimits)
    pictures: Path | None = None
    blur_faces: bool = False


@dataclass(frozen=True, slots=True)
class FileResult:
    """What came of one file: the last revision of each of its events, or an error."""

    path: Path
    events: tuple[Event, ...]
    duration_s: float
    error: WatchwordError | None
    warnings: tuple[str, ...]


def tag_files(
    files: Sequence[Path],
    events_for: Callable[[Path], Sequence[EventSpec]],
    settings: OfflineSettings,
    on_progress: Callable[[Path, float, float | None], None],
) -> Iterator[FileResult]:
    """Yield the result of each file; ``on_progress`` gets the file, position and duration in seconds."""
    runtime = open_runtime(settings)
    runtime.start()
    try:
        for path in files:
            yield tag_file(runtime, path, tuple(events_for(path)), settings, on_progress)
    finally:
        runtime.stop()


def open_runtime(settings: OfflineSettings) -> Runtime:
    """Return a runtime, not started, that publishes nowhere."""
    return build_runtime(settings.runtime, service_settings(settings))


def service_settings(settings: OfflineSettings) -> ServiceSettings:
    """Return what the services are built from, without Redis and a state to keep; raise ``CheckpointError``."""
    check_checkpoint(settings.aligner)
    speech = settings.speech.options()
    return ServiceSettings(settings.models, speech, settings.aligner, settings.limits, pictures=settings.pictures)


def tag_file(
    runtime: Runtime,
    path: Path,
    events: tuple[EventSpec, ...],
    settings: OfflineSettings,
    on_progress: Callable[[Path, float, float | None], None],
) -> FileResult:
    """Watch one file to its end."""
    fps, names = settings.fps, tuple(e.name for e in events)
    camera = CameraSpec(CAMERA, RedactedUrl(str(path)), fps, events=names, blur_faces=settings.blur_faces)
    stream = runtime.start_stream(camera, events)
    snapshot = stream.snapshot()
    while snapshot.state not in ("finished", "failed"):
        time.sleep(POLL_S)
        snapshot = stream.snapshot()
        on_progress(path, snapshot.position_s, snapshot.duration_s)
    stream.kill()
    found = runtime.take_events()
    return FileResult(path, found, _length(snapshot, 1 / fps), _error(snapshot), _warnings(snapshot))


def _length(snapshot: StreamSnapshot, hop_s: float) -> float:
    """Return how many seconds were watched: what a damaged file declares may never have been there."""
    watched = snapshot.position_s + hop_s
    return watched if snapshot.duration_s is None else min(watched, snapshot.duration_s)


def _error(snapshot: StreamSnapshot) -> WatchwordError | None:
    return snapshot.failure if snapshot.state == "failed" else None


def _warnings(snapshot: StreamSnapshot) -> tuple[str, ...]:
    lost = sum(snapshot.source.dropped.values())
    found = [snapshot.source.last_error] if snapshot.source.last_error else []
    return tuple(found + ([f"{lost} frames or packets could not be used"] if lost and not found else []))
