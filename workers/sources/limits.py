"""Limits on what a source may demand, checked before decoding and while reading.

A few bytes can declare a frame of a gigabyte, a million frames a second or a century of audio. Headers are checked on
opening. FFmpeg refuses larger frames before it allocates them (``max_pixels``, also in the middle of a stream).
``Pace`` checks a file against its declared rate and duration; ``PixelRate`` bounds the decoding work of every input: 13
bytes can demand a frame of 35 million pixels that equals the one before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from workers.errors import SourceTooLarge
from workers.sources.ffmpeg_errors import make
from workers.types import CameraSpec, MediaLimits

DEFAULT_LIMITS = MediaLimits()
# Audio sample rates. Telephones have 8000 Hz, the oldest recorders 5500; below that speech is not intelligible, and
# each byte would become seconds of audio. 768 kHz is the highest rate of converters.
MIN_HZ, MAX_HZ = 4_000, 768_000
ALLOWANCE_S = 10.0  # of frames at the highest rate, because time stamps can be bunched
# Of pixels: a held GOP of up to 600 frames is decoded at once, and a second time if it is damaged.
PIXELS_ALLOWANCE_S = 30.0


def decoder_pixels(limits: MediaLimits) -> int:
    """Return the pixel limit for decoders, which count buffer padding too."""
    return limits.max_pixels * 9 // 8 + (1 << 16)


def open_options(limits: MediaLimits) -> dict[str, str]:
    """Return FFmpeg's options that limit opening and probing."""
    return {"max_pixels": str(decoder_pixels(limits)), "max_streams": str(limits.max_streams + 1)}


def bound_decoder(context: VideoCodecContext, limits: MediaLimits) -> None:
    """Set a decoder's pixel limit; call it before decoding."""
    context.options = {**context.options, "max_pixels": str(decoder_pixels(limits))}


def excess(
    container: InputContainer, video: VideoStream | None, audio: AudioStream | None, limits: MediaLimits
) -> str | None:
    """Return which limit an opened input exceeds; None if it exceeds none."""
    if len(container.streams) > limits.max_streams:
        return f"{len(container.streams)} streams, at most {limits.max_streams} are allowed (limits.streams)"
    rate = audio.codec_context.sample_rate if audio is not None else 0
    if rate and not MIN_HZ <= rate <= MAX_HZ:
        return f"audio at {rate} Hz; {MIN_HZ} to {MAX_HZ} Hz are supported"
    if video is None:
        return None
    width, height = video.codec_context.width, video.codec_context.height
    if width * height > limits.max_pixels:
        return f"frames of {width}x{height}, at most {limits.max_pixels} pixels are allowed (limits.pixels)"
    return None


def file_excess(video: VideoStream | None, duration_s: float | None, limits: MediaLimits) -> str | None:
    """Return which limit a file's header exceeds; None if it exceeds none."""
    if duration_s is not None and duration_s > limits.max_duration_s:
        return f"{duration_s:g} s long, at most {limits.max_duration_s:g} s are allowed (limits.duration)"
    if video is None or video.frames == 1 or not video.average_rate:
        return None
    rate, width, height = float(video.average_rate), video.codec_context.width, video.codec_context.height
    if rate > limits.max_fps:
        return f"{rate:g} frames a second, at most {limits.max_fps:g} are allowed (limits.fps)"
    if width * height * rate > limits.max_pixel_rate:
        asked = f"{rate:g} frames of {width}x{height} a second"
        return f"{asked}, at most {limits.max_pixel_rate} pixels a second are allowed (limits.pixel_rate)"
    return None


@contextmanager
def within_memory(camera: CameraSpec) -> Iterator[None]:
    """Raise ``SourceTooLarge`` for a failed allocation."""
    try:
        yield
    except MemoryError as error:
        reason = f"decoding needs more memory than {camera.limits.memory_mib} MiB (limits.memory_mib)"
        raise make(SourceTooLarge, camera.name, camera.url, reason) from error


class Pace:
    """Checks the frame rate and duration of one pass over a file."""

    def __init__(self, limits: MediaLimits, start_s: float) -> None:
        self._limits, self._start_s, self._frames = limits, start_s, 0

    def excess(self, now_s: float, is_frame: bool) -> str | None:
        """Count a packet at stream second ``now_s``; return which limit is exceeded, or None."""
        limits, past_s = self._limits, now_s - self._start_s
        if past_s > limits.max_duration_s + ALLOWANCE_S:
            return f"longer than the {limits.max_duration_s:g} s that are allowed (limits.duration)"
        self._frames += is_frame
        if self._frames > limits.max_fps * (past_s + ALLOWANCE_S):
            return f"more than the {limits.max_fps:g} frames a second that are allowed (limits.fps)"
        return None


class PixelRate:
    """A token bucket on decoded pixels over time: stream time of a file, clock time of a live stream."""

    def __init__(self, limits: MediaLimits) -> None:
        self._limit = limits.max_pixel_rate
        self._known, self._owed, self._at = 0, 0.0, -inf

    def excess(self, now_s: float, pixels: int) -> str | None:
        """Update with the pixels decoded until second ``now_s``; return which limit is exceeded, or None."""
        paid, self._at = self._limit * max(0.0, now_s - self._at), max(now_s, self._at)
        self._owed = max(0.0, self._owed - paid) + pixels - self._known
        self._known = pixels
        if self._owed > self._limit * PIXELS_ALLOWANCE_S:
            return f"more than the {self._limit} pixels a second that are allowed (limits.pixel_rate)"
        return None
