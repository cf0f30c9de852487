"""Decoding capabilities of this machine, found by trial. ``watchword doctor`` shows them."""

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import av
import av.error as ff
from av.codec import Codec
from av.codec.hwaccel import HWAccel, hwdevices_available

from workers.sources.random_access import load_decord
from workers.sources.url import LIVE_PROTOCOLS

VIDEO_CODECS = ("h264", "hevc", "vp9", "av1", "mjpeg")
AUDIO_CODECS = ("aac", "opus", "mp3", "pcm_alaw", "pcm_mulaw")


@dataclass(frozen=True, slots=True)
class DecoderCapabilities:
    """``missing``: codecs without a decoder. ``hardware``: device types that opened for H.264, of those ``known``."""

    pyav: str
    ffmpeg: str
    video: tuple[str, ...]
    audio: tuple[str, ...]
    missing: tuple[str, ...]
    hardware: tuple[str, ...]
    known: tuple[str, ...]
    protocols: tuple[str, ...]


def decoder_capabilities() -> DecoderCapabilities:
    """Return FFmpeg's missing decoders, and the hardware decoders that open for H.264."""
    known = tuple(hwdevices_available())
    return DecoderCapabilities(
        pyav=av.__version__,
        ffmpeg=str(av.ffmpeg_version_info),
        video=tuple(c for c in VIDEO_CODECS if _decodes(c)),
        audio=tuple(c for c in AUDIO_CODECS if _decodes(c)),
        missing=tuple(c for c in VIDEO_CODECS + AUDIO_CODECS if not _decodes(c)),
        hardware=tuple(device for device in known if _opens(device)),
        known=known,
        protocols=tuple(LIVE_PROTOCOLS),
    )


def count_frames(path: Path) -> int:
    """Decode the video of a file with PyAV; return the number of frames, 0 if none can be decoded."""
    try:
        with av.open(str(path)) as media:
            return sum(1 for _ in media.decode(video=0))
    except (ff.FFmpegError, IndexError, OSError):
        return 0


def random_access(path: Path) -> str:
    """Read one frame from the middle of a file with decord; return decord's version, or "" if that fails."""
    try:
        decord = load_decord()
    except (ImportError, OSError):
        return ""
    try:
        reader = decord.VideoReader(str(path), decord.cpu(0), width=64, height=64, num_threads=1)
        read = bool(reader[len(reader) // 2].shape[:2] == (64, 64))
    except (decord.DECORDError, RuntimeError):
        return ""
    return metadata.version("decord2") if read else ""


def _decodes(codec: str) -> bool:
    try:
        Codec(codec, "r")
    except ValueError:  # PyAV's UnknownCodecError
        return False
    return True


def _opens(device: str) -> bool:
    try:
        HWAccel(device, allow_software_fallback=False).create(Codec("h264", "r"))
    except (ff.FFmpegError, NotImplementedError):
        return False
    return True
