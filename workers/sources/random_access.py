"""Random access to frames of a file by time: with decord, or with PyAV's seek if decord fails.

Without an output size decord decodes ahead of an idle reader without bound, and it keeps all frames it has read. So it
always gets an output size and reads bounded windows, each with its own reader.
"""

import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, cast

import av
import numpy as np
from av import VideoFrame
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from alignment.types import F64
from workers.errors import SourceInvalid
from workers.redaction import RedactedUrl
from workers.sources.containers.tracks import pick_video
from workers.sources.decode.scaling import FrameScaler, centre_cut, scaled_size
from workers.sources.ffmpeg_errors import classify, make
from workers.sources.limits import DEFAULT_LIMITS, bound_decoder, open_options
from workers.sources.url import FILE_FORMATS
from workers.types import U8, FrameSpec, MediaLimits

WINDOW = 64  # frames per decord reader: each reader scans the whole file once for its index
FILE_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": FILE_FORMATS}
SLACK_S = 1e-3  # decord's time stamps are single precision


@dataclass(frozen=True, slots=True)
class _Probe:
    """Properties needed for seeking. ``zero`` is the container time of stream second 0."""

    width: int  # upright
    height: int
    zero: float
    first: float  # container time of the first frame
    alone: bool  # the only video track: decord chooses by itself


def read_frames_at(
    path: str, times_s: Sequence[float] | F64, spec: FrameSpec, limits: MediaLimits = DEFAULT_LIMITS
) -> tuple[F64, U8]:
    """Return the first frame at or after each of ``times_s`` (stream seconds), or else the last frame.

    Gives the frames' own times, f64 ``[N]`` stream seconds, and pictures, u8 ``[N, H, W, 3]`` RGB. Raises a
    ``SourceError`` if the file cannot be read.
    """
    wanted = np.asarray(times_s, np.float64)
    if not len(wanted):
        return np.empty(0), np.empty((0, spec.height, spec.width, 3), np.uint8)
    order = np.argsort(wanted, kind="stable")
    try:
        probe = _probe(path, limits)
        spec = spec.resolved(probe.width, probe.height)
        windows = [wanted[order[i : i + WINDOW]] for i in range(0, len(order), WINDOW)]
        parts = [_window(path, w, spec, probe, limits) for w in windows]
    except (FFmpegError, OSError) as e:
        raise classify(e, path, RedactedUrl(path), 0.0, None) from e
    back = np.argsort(order, kind="stable")
    return np.concatenate([t for t, _ in parts])[back], np.concatenate([f for _, f in parts])[back]


def _window(path: str, times: F64, spec: FrameSpec, probe: _Probe, limits: MediaLimits) -> tuple[F64, U8]:
    if not probe.alone:
        return _by_seek(path, times, spec, probe, limits)
    try:
        decord = load_decord()  # imported late: it is slow to load, and few commands need it
    except (ImportError, OSError):
        return _by_seek(path, times, spec, probe, limits)
    try:
        return _by_decord(decord, path, times, spec, probe)
    except (decord.DECORDError, RuntimeError):  # damaged files, VP9 with Opus and others that PyAV still reads
        return _by_seek(path, times, spec, probe, limits)


def _by_decord(decord: ModuleType, path: str, times: F64, spec: FrameSpec, probe: _Probe) -> tuple[F64, U8]:
    decord.logging.set_level(decord.logging.QUIET)  # damage is reported by this module
    width, height = scaled_size(probe.width, probe.height, spec)
    reader = decord.VideoReader(path, ctx=decord.cpu(0), width=width, height=height, num_threads=1)
    starts = reader.get_frame_timestamp(range(len(reader)))[:, 0].astype(np.float64) + probe.first - probe.zero
    index = np.minimum(np.searchsorted(starts, times - SLACK_S), len(starts) - 1)
    unique, inverse = np.unique(index, return_inverse=True)
    pictures = reader.get_batch(unique.tolist()).asnumpy()
    cut = np.stack([centre_cut(p, spec) for p in pictures])
    return starts[index], cut[inverse]


def _by_seek(path: str, times: F64, spec: FrameSpec, probe: _Probe, limits: MediaLimits) -> tuple[F64, U8]:
    scaler = FrameScaler(spec)
    stamps: list[float] = []
    pictures: list[U8] = []
    with av.open(f"file:{path}", options=FILE_OPTIONS | open_options(limits)) as container:
        stream = _video_of(container, path)
        bound_decoder(stream.codec_context, limits)
        for t in times:
            frame = _seek(container, stream, float(t) + probe.zero)
            if frame is None or frame.time is None:
                raise make(SourceInvalid, path, RedactedUrl(path), f"no frame decodes near {t:.3f} s")
            stamps.append(frame.time - probe.zero)
            pictures.append(scaler(frame))
    return np.asarray(stamps, np.float64), np.stack(pictures)


def _seek(container: InputContainer, stream: VideoStream, t: float) -> VideoFrame | None:
    """Return the first frame at or after container time ``t``, or else the last one."""
    container.seek(int(t / (stream.time_base or 1)), stream=stream, backward=True)
    last: VideoFrame | None = None
    for frame in _decoded(container, stream):
        last = frame
        if frame.time is not None and frame.time >= t - SLACK_S:
            return frame
    return last


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Yield the next frames; skip damaged packets."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except FFmpegError:
            continue


def _probe(path: str, limits: MediaLimits) -> _Probe:
    with av.open(f"file:{path}", options=FILE_OPTIONS | open_options(limits)) as container:
        stream = _video_of(container, path)
        bound_decoder(stream.codec_context, limits)
        frame = next(_decoded(container, stream), None)
        if frame is None:
            raise make(SourceInvalid, path, RedactedUrl(path), "nothing in it could be decoded")
        starts = [
            float(s.start_time * s.time_base) for s in container.streams if s.start_time is not None and s.time_base
        ]
        turned = (frame.rotation // 90) % 2
        width, height = (frame.height, frame.width) if turned else (frame.width, frame.height)
        first = frame.time or 0.0
        alone = len(container.streams.video) == 1
        return _Probe(width, height, min(starts, default=first), first, alone)


def _video_of(container: InputContainer, path: str) -> VideoStream:
    stream = pick_video(container)
    if stream is None:
        raise make(SourceInvalid, path, RedactedUrl(path), "no video stream")
    return stream


_HIDDEN = "nvidia"
_lock = threading.Lock()


def load_decord() -> ModuleType:
    """Return the module ``decord``; raise ``ImportError`` or ``OSError`` if it is missing or fails to load."""
    with _lock:
        if "decord" in sys.modules:
            return sys.modules["decord"]
        modules = cast("dict[str, Any]", sys.modules)
        before = modules.get(_HIDDEN)
        modules[_HIDDEN] = None  # makes the import system report the package as not found
        try:
            return import_module("decord")
        finally:
            if before is None:
                del modules[_HIDDEN]
            else:
                modules[_HIDDEN] = before
