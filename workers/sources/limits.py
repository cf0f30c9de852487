"""What a source may ask for, checked before anything is decoded and while it is read.

A few bytes can promise a picture of a gigabyte, a million pictures a second or a century of sound. What a header says
is checked on opening; FFmpeg itself refuses larger pictures before it allocates them (``max_pixels``, also in the
middle of a stream); ``Pace`` holds a file to what its header said, ``PixelRate`` every input to a sane amount of work:
13 bytes can ask for a picture of 35 million pixels that looks like the one before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from workers.errors import SourceTooLarge
from workers.sources.native import make
from workers.types import CameraSpec, MediaLimits

DEFAULT_LIMITS = MediaLimits()
# Samples a second of sound. Telephones have 8000, the oldest recorders 5500; below that nothing that is said can be
# understood, while every byte would become seconds of sound. 768 000 is the highest rate that converters are made for.
MIN_HZ, MAX_HZ = 4_000, 768_000
ALLOWANCE_S = 10.0  # of pictures at the highest rate, for time stamps that are bunched
# Of pixels: a GOP of 600 pictures, the most that is held, is decoded at once, and again where it turns out damaged.
PIXELS_ALLOWANCE_S = 30.0


def decoder_pixels(limits: MediaLimits) -> int:
    """Return what decoders are told: they count the padding of their buffers, and ours is the limit of what is seen."""
    return limits.max_pixels * 9 // 8 + (1 << 16)


def open_options(limits: MediaLimits) -> dict[str, str]:
    """Return FFmpeg's options that bound opening and probing."""
    return {"max_pixels": str(decoder_pixels(limits)), "max_streams": str(limits.max_streams + 1)}


def bound_decoder(context: VideoCodecContext, limits: MediaLimits) -> None:
    """Make a decoder refuse larger pictures; before it is used."""
    context.options = {**context.options, "max_pixels": str(decoder_pixels(limits))}


def excess(
    container: InputContainer, video: VideoStream | None, audio: AudioStream | None, limits: MediaLimits
) -> str | None:
    """Return what an opened input asks too much of, None where that is nothing."""
    if len(container.streams) > limits.max_streams:
        return f"{len(container.streams)} streams, at most {limits.max_streams} are allowed (limits.streams)"
    rate = audio.codec_context.sample_rate if audio is not None else 0
    if rate and not MIN_HZ <= rate <= MAX_HZ:
        return f"sound of {rate} samples a second, from {MIN_HZ} to {MAX_HZ} are read"
    if video is None:
        return None
    width, height = video.codec_context.width, video.codec_context.height
    if width * height > limits.max_pixels:
        return f"pictures of {width}x{height}, at most {limits.max_pixels} pixels are allowed (limits.pixels)"
    return None


def file_excess(video: VideoStream | None, duration_s: float | None, limits: MediaLimits) -> str | None:
    """Return what a file's header declares too much of: a camera's rate and duration are often nonsense, and unused."""
    if duration_s is not None and duration_s > limits.max_duration_s:
        return f"{duration_s:g} s long, at most {limits.max_duration_s:g} s are allowed (limits.duration)"
    if video is None or video.frames == 1 or not video.average_rate:
        return None
    rate, width, height = float(video.average_rate), video.codec_context.width, video.codec_context.height
    if rate > limits.max_fps:
        return f"{rate:g} pictures a second, at most {limits.max_fps:g} are allowed (limits.fps)"
    if width * height * rate > limits.max_pixel_rate:
        asked = f"{rate:g} pictures of {width}x{height} a second"
        return f"{asked}, at most {limits.max_pixel_rate} pixels a second are allowed (limits.pixel_rate)"
    return None


@contextmanager
def within_memory(camera: CameraSpec) -> Iterator[None]:
    """Turn a failed allocation into our error."""
    try:
        yield
    except MemoryError as error:
        reason = f"decoding needs more memory than {camera.limits.memory_mib} MiB (limits.memory_mib)"
        raise make(SourceTooLarge, camera.name, camera.url, reason) from error


class Pace:
    """Counts the pictures of one pass over a file against stream time."""

    def __init__(self, limits: MediaLimits, start_s: float) -> None:
        self._limits, self._start_s, self._pictures = limits, start_s, 0

    def excess(self, now_s: float, is_picture: bool) -> str | None:
        """Take a packet that leads to stream second ``now_s``; return what became too much, None where nothing did."""
        limits, past_s = self._limits, now_s - self._start_s
        if past_s > limits.max_duration_s + ALLOWANCE_S:
            return f"longer than the {limits.max_duration_s:g} s that are allowed (limits.duration)"
        self._pictures += is_picture
        if self._pictures > limits.max_fps * (past_s + ALLOWANCE_S):
            return f"more than the {limits.max_fps:g} pictures a second that are allowed (limits.fps)"
        return None


class PixelRate:
    """Weighs what is decoded against time: a file's own, or the clock for a live stream. Time pays off what is over."""

    def __init__(self, limits: MediaLimits) -> None:
        self._limit = limits.max_pixel_rate
        self._known, self._owed, self._at = 0, 0.0, -inf

    def excess(self, now_s: float, pixels: int) -> str | None:
        """Take how many pixels were decoded until second ``now_s``; return what is too much, None where nothing is."""
        paid, self._at = self._limit * max(0.0, now_s - self._at), max(now_s, self._at)
        self._owed = max(0.0, self._owed - paid) + pixels - self._known
        self._known = pixels
        if self._owed > self._limit * PIXELS_ALLOWANCE_S:
            return f"more than the {self._limit} pixels a second that are allowed (limits.pixel_rate)"
        return None
