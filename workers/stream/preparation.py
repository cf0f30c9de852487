"""What happens before the first frame: the source is opened, and events that cannot happen are found."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from workers.areas import FRAME, overlap
from workers.audio.analyser import AudioAnalyser
from workers.backoff import Backoff
from workers.clock import Clock
from workers.errors import ModelUnavailable, SourceError
from workers.events.file_identity import FileIdentity
from workers.services.clients import EncoderClient
from workers.sources.base import RETRY_S, Source
from workers.sources.url import is_live, parse_target
from workers.stream.rules import RuleSet
from workers.types import CameraSpec, EventSpec, SourceInfo

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


def impossible_events(
    specs: Sequence[EventSpec],
    info: SourceInfo,
    encoder: EncoderClient,
    rule_set: RuleSet,
    transcribes: bool,
) -> tuple[str, ...]:
    """Return which events cannot happen in this stream as they are meant, and why."""
    warnings = list(encoder.query_warnings(specs, transcribes))
    for spec, query in zip(specs, rule_set.queries, strict=True):
        in_audio, in_frames = bool(query.prior[1:].any()), bool(query.prior[0])
        if in_audio and not in_frames and not info.has_audio:
            warnings.append(f"event {spec.name!r} is listened for, and there is no audio; turn on the camera's audio")
        if in_frames and not in_audio and not info.has_video:
            warnings.append(f"event {spec.name!r} is looked for, and there is no video; use a source with video")
    for spec, areas in zip(specs, rule_set.areas, strict=False):
        if areas and not overlap(areas, FRAME):
            why = "its zone lies beside the part of the frame that this profile sees"
            warnings.append(
                f"event {spec.name!r} cannot happen: {why}; move the zone, or use `models: {{profile: lite}}`"
            )
    return tuple(warnings)


def audio_analyser(
    camera: CameraSpec,
    info: SourceInfo,
    rule_set: RuleSet,
    transcribes: bool,
    before: AudioAnalyser | None = None,
) -> AudioAnalyser | None:
    """Return an analyser of the stream's audio where there is audio, a transcriber, and an event that needs it.

    ``before``: the analyser of this stream so far, if it has one.
    """
    speech = any(q.prior[1] for q in rule_set.queries)
    sounds = any(q.prior[2] and q.sound.any() for q in rule_set.queries)
    if not ((speech or sounds) and info.has_audio and transcribes):
        return None
    try:
        return before.with_needs(speech, sounds) if before else AudioAnalyser(camera.priority, speech, sounds)
    except ModelUnavailable as error:
        log.warning("sound is not analysed", camera=camera.name, code=error.code, error=str(error))
        return None
