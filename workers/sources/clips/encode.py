"""Encode a clip as H.264: what browsers do not play, and what must not be shown as the camera sent it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO

import numpy as np
from av import VideoFrame
from av.codec.codec import UnknownCodecError
from av.error import FFmpegError

from workers.errors import ClipUnavailable
from workers.sources.clips.coded import TICKS, CodedPacket, OpenTracks, Recording
from workers.sources.clips.remux import audio_packets, open_output
from workers.sources.decode.scaling import FrameScaler
from workers.sources.limits import DEFAULT_LIMITS, PIXELS_ALLOWANCE_S
from workers.types import U8, Areas, FrameSpec, MediaLimits

GOP_S = 2.0
RESTS_S = 0.2  # at most after each frame
QUALITY = {"preset": "veryfast", "crf": "25", "profile": "main"}  # of libx264


@dataclass(frozen=True, slots=True)
class Look:
    """How frames of a camera may be shown: the longer side at most ``side`` pixels, at most ``fps`` a second.

    ``limits``: of what is decoded for that.
    """

    side: int
    fps: float = 1000.0
    blur_faces: bool = False
    masks: Areas = ()
    limits: MediaLimits = DEFAULT_LIMITS


class FramePainter:
    """Scales whole frames, of any size, to what may be shown of them; see ``FrameScaler``."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._scalers: dict[tuple[int, int], FrameScaler] = {}

    def __call__(self, frame: VideoFrame) -> U8:
        """Return the upright frame u8[H, W, 3] RGB, with even sides, never enlarged."""
        turned = (frame.rotation // 90) % 2
        width, height = (frame.height, frame.width) if turned else (frame.width, frame.height)
        scale = min(1.0, self._look.side / max(width, height))
        size = max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))
        if size not in self._scalers:
            spec = FrameSpec(*size, "squash")
            self._scalers = {size: FrameScaler(spec, self._look.blur_faces, self._look.masks)}
        return self._scalers[size](frame)


def encode(recording: Recording, tracks: OpenTracks, look: Look, since: float, note: str) -> bytes:
    """Return an MP4 of the frames from stream second ``since`` on; raise ``ClipUnavailable`` if there is none.

    Frames of another size than the first are scaled to it.
    """
    out, video = BytesIO(), recording.video
    frames = _shown(decoded(video, tracks, look.limits), since, look.fps)
    first = next(frames, None)
    if first is None:
        raise ClipUnavailable("no frame of that time can be decoded", "the camera's video is damaged, or has gaps")
    base, painter = first[0], FramePainter(look)
    picture = painter(first[1])
    height, width = picture.shape[:2]
    with open_output(out, 2 * len(recording.packets) + len(video), note) as container:
        try:
            stream = container.add_stream("h264", rate=25, options=QUALITY, width=width, height=height)
        except UnknownCodecError as error:
            text = f"this FFmpeg cannot encode H.264 ({error})"
            raise ClipUnavailable(text, "use the `av` package from PyPI, which can") from None
        context = stream.codec_context
        context.pix_fmt, context.time_base, context.thread_count = "yuv420p", Fraction(1, TICKS), 1
        sound = [p for p in recording.audio if p.t >= base]
        packets = audio_packets(container, sound, tracks, base)
        with suppress(FFmpegError):  # damaged: what follows is missing
            container.mux(packets)
        keyed = -GOP_S
        for t, frame in _giving_way(_with_first(base, picture, frames, painter, (width, height))):
            shown = VideoFrame.from_ndarray(frame, format="rgb24")
            shown.pts, shown.time_base = round((t - base) * TICKS), Fraction(1, TICKS)
            if t - base >= keyed + GOP_S:
                shown.pict_type, keyed = 1, t - base  # a key frame
            container.mux(stream.encode(shown))
        container.mux(stream.encode(None))
    return out.getvalue()


def _giving_way(frames: Iterator[tuple[float, U8]]) -> Iterator[tuple[float, U8]]:
    """Yield frames, and rest for as long as each took: what is live comes first.

    A lower priority of this thread would not do: preempted with Python's lock, it would stop all threads.
    """
    before = time.thread_time()
    for found in frames:
        yield found
        now = time.thread_time()
        time.sleep(min(RESTS_S, now - before))
        before = time.thread_time()


def decoded(
    packets: Sequence[CodedPacket], tracks: OpenTracks, limits: MediaLimits
) -> Iterator[tuple[float, VideoFrame]]:
    """Yield the stream second and frame of each packet that decodes; end at the limit of pixels for that time."""
    decoder = tracks.video_decoder(limits)
    seconds = packets[-1].t - packets[0].t if packets else 0.0
    left = limits.max_pixel_rate * (seconds + PIXELS_ALLOWANCE_S)
    for coded in [*packets, None]:
        try:
            frames = decoder.decode(coded.packet() if coded is not None else None)
        except FFmpegError:
            continue
        left -= max(1, len(frames)) * decoder.width * decoder.height
        if left < 0:
            return
        for frame in frames:
            if frame.pts is not None:
                yield frame.pts / TICKS, frame


def _shown(frames: Iterator[tuple[float, VideoFrame]], since: float, fps: float) -> Iterator[tuple[float, VideoFrame]]:
    """Yield the frames from ``since`` on, at most ``fps`` a second, in rising time."""
    last = -np.inf
    for t, frame in frames:
        if t >= since and t - last >= 0.999 / fps:
            last = t
            yield t, frame


def _with_first(
    base: float,
    picture: U8,
    frames: Iterator[tuple[float, VideoFrame]],
    painter: FramePainter,
    size: tuple[int, int],
) -> Iterator[tuple[float, U8]]:
    yield base, picture
    for t, frame in frames:
        painted = painter(frame)
        if painted.shape[:2] == size[::-1]:  # another size begins another clip; the time of this one is over
            yield t, painted
