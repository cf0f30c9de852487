"""Single frames of a file, by time: decord where it can, PyAV's seek where it cannot.

decord decodes ahead of an idle reader without bound unless it is given an output size, and it keeps what it
has read: so it always gets the size, reads bounded windows, and each window has its own reader.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

import av
import numpy as np
from av import VideoFrame
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from alignment.types import F64
from workers.errors import SourceInvalid
from workers.redaction import RedactedUrl
from workers.sources.decord_loading import load_decord
from workers.sources.formats import FILE_FORMATS
from workers.sources.limits import DEFAULT_LIMITS, bound_decoder, open_options
from workers.sources.native import classify, make
from workers.sources.scaling import FrameScaler, centre_cut, scaled_size
from workers.types import U8, FrameSpec, MediaLimits

WINDOW = 64  # frames per decord reader: each reader scans the whole file once for its index
FILE_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": FILE_FORMATS}
SLACK_S = 1e-3  # decord's time stamps are single precision


@dataclass(frozen=True, slots=True)
class _Probe:
    """What must be known before seeking. ``zero`` is the container time of stream second 0."""

    width: int  # upright
    height: int
    zero: float
    first: float  # container time of the first frame


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
        windows = [wanted[order[i : i + WINDOW]] for i in range(0, len(order), WINDOW)]
        parts = [_window(path, w, spec, probe, limits) for w in windows]
    except (FFmpegError, OSError) as e:
        raise classify(e, path, RedactedUrl(path), 0.0, None) from e
    back = np.argsort(order, kind="stable")
    return np.concatenate([t for t, _ in parts])[back], np.concatenate([f for _, f in parts])[back]


def _window(path: str, times: F64, spec: FrameSpec, probe: _Probe, limits: MediaLimits) -> tuple[F64, U8]:
    try:
        decord = load_decord()  # late: loading it takes a while, and few commands need it
    except (ImportError, OSError):
        return _by_seek(path, times, spec, probe, limits)
    try:
        return _by_decord(decord, path, times, spec, probe)
    except (decord.DECORDError, RuntimeError):  # damaged files, VP9 with Opus and others that PyAV still reads
        return _by_seek(path, times, spec, probe, limits)


def _by_decord(decord: ModuleType, path: str, times: F64, spec: FrameSpec, probe: _Probe) -> tuple[F64, U8]:
    decord.logging.set_level(decord.logging.QUIET)  # damage is ours to report
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
        bound_decoder(container.streams.video[0].codec_context, limits)
        for t in times:
            frame = _seek(container, float(t) + probe.zero)
            if frame is None or frame.time is None:
                raise make(SourceInvalid, path, RedactedUrl(path), f"no frame decodes near {t:.3f} s")
            stamps.append(frame.time - probe.zero)
            pictures.append(scaler(frame))
    return np.asarray(stamps, np.float64), np.stack(pictures)


def _seek(container: InputContainer, t: float) -> VideoFrame | None:
    """Return the first frame at or after container time ``t``, or else the last one."""
    stream = container.streams.video[0]
    container.seek(int(t / (stream.time_base or 1)), stream=stream, backward=True)
    last: VideoFrame | None = None
    for frame in _decoded(container, stream):
        last = frame
        if frame.time is not None and frame.time >= t - SLACK_S:
            return frame
    return last


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Yield the frames from here on, past damaged packets."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except FFmpegError:
            continue


def _probe(path: str, limits: MediaLimits) -> _Probe:
    with av.open(f"file:{path}", options=FILE_OPTIONS | open_options(limits)) as container:
        if not container.streams.video:
            raise make(SourceInvalid, path, RedactedUrl(path), "no video stream")
        stream = container.streams.video[0]
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
        return _Probe(width, height, min(starts, default=first), first)
