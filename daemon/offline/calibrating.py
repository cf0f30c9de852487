"""``watchword calibrate``: measure the space of an encoder on videos, and keep what can be set."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from alignment.errors import WatchwordError
from alignment.evaluation.annotations import Annotation
from alignment.evaluation.space import SpaceFigures
from daemon.logs.setup import LOGGING, worker_environment
from daemon.runtime.factory import SAMPLE
from workers.clock import SystemClock
from workers.encoders.base import Encoder
from workers.errors import SourceInvalid
from workers.redaction import RedactedUrl
from workers.services.measuring import Footage, OnProgress, embed_sample, keep, measure
from workers.sources.base import Source
from workers.sources.isolation.source import DecoderPool
from workers.types import CameraSpec, FrameBatch, MediaLimits

FPS = 1.0  # sampled frames per second
LEAST_FRAMES = 30  # of one's own videos, to set anything


@dataclass(frozen=True, slots=True)
class Videos:
    """What to measure on: files, and what is known of them by file name without extension. No file: the sample."""

    files: Sequence[Path] = ()
    known: Mapping[str, Sequence[Annotation]] = field(default_factory=dict)
    limits: MediaLimits = field(default_factory=MediaLimits)
    refused: tuple[WatchwordError, ...] = ()  # of files beside these that are no media


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What was measured on how many videos (None: the sample), and what follows.

    ``place`` is the file of what was set; None: nothing was, ``why_not`` says why. ``errors``: of unreadable files.
    """

    figures: SpaceFigures
    videos: int | None
    place: Path | None
    why_not: str
    errors: tuple[WatchwordError, ...]


def calibrate(encoder: Encoder, videos: Videos, on_progress: OnProgress) -> Calibrated:
    """Measure, and keep what can be set; raise the error of the first file if none can be read."""
    footage, errors = _footage(encoder, videos, on_progress)
    figures = measure(encoder, footage)
    count = len(footage) if videos.files else None
    place, why_not = encoder.space_file, "the curve of this profile was fitted on real frames"
    if place is not None and count is not None and figures.frames < LEAST_FRAMES:
        place, why_not = None, f"{figures.frames} frames are too few; give at least {LEAST_FRAMES} s of video"
    if place is not None and not keep(place, encoder.info.id, figures, "sample" if count is None else "videos"):
        place, why_not = None, f"{place} cannot be written"
    return Calibrated(figures, count, place, "" if place else why_not, errors)


def _footage(
    encoder: Encoder, videos: Videos, on_progress: OnProgress
) -> tuple[list[Footage], tuple[WatchwordError, ...]]:
    if not videos.files:
        return [embed_sample(encoder, SAMPLE, on_progress)], ()
    found: list[Footage] = []
    errors = list(videos.refused)
    for part in _embed_videos(encoder, videos, on_progress):
        if isinstance(part, WatchwordError):
            errors.append(part)
        else:
            found.append(part)
    if not found:
        raise errors[-1]
    return found, tuple(errors)


def _embed_videos(encoder: Encoder, videos: Videos, on_progress: OnProgress) -> Iterator[Footage | WatchwordError]:
    """Yield each video, or why it cannot be read; a process of its own decodes them."""
    decoders = DecoderPool(worker_environment(), LOGGING)
    try:
        for path in videos.files:
            camera = CameraSpec("file", RedactedUrl(str(path)), FPS, audio=False, limits=videos.limits)
            try:
                source = decoders.build(camera, encoder.frame_spec, SystemClock())
                yield _embed(encoder, source, path, videos.known.get(path.stem, ()), on_progress)
            except WatchwordError as error:
                yield error
    finally:
        decoders.close()


def _embed(
    encoder: Encoder, source: Source, path: Path, known: Sequence[Annotation], on_progress: OnProgress
) -> Footage:
    rows, times = [], []
    try:
        duration = source.open().duration_s
        for item in source.items():
            if isinstance(item, FrameBatch):
                rows.append(encoder.encode_frames(item.frames))
                times.append(item.pts_s)
                on_progress(path, float(item.pts_s[-1]), duration)
    finally:
        source.close()
    if not rows:
        raise SourceInvalid(f"{path} has no frames", "leave this file out")
    return Footage(np.concatenate(rows), np.concatenate(times), known)
