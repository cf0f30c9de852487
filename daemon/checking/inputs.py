"""Open cameras and files once, all at the same time, to say what each of them sends."""

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace

from alignment.errors import WatchwordError
from daemon.logs.setup import LOGGING, worker_environment
from workers.clock import SystemClock
from workers.sources.base import Source
from workers.sources.isolation.source import DecoderPool
from workers.types import CameraSpec, FrameSpec, MediaLimits, SourceInfo

AT_ONCE = 16  # decoder processes; each takes some 80 MB
_SIDE = 256  # nothing is decoded, but a source is built for a size of frames


@dataclass(frozen=True, slots=True)
class Opened:
    """What one camera sends, or the error with which it could not be opened."""

    camera: str
    sends: SourceInfo | None = None
    error: WatchwordError | None = None

    def __str__(self) -> str:
        """Return one line, without credentials: "porch: h264, 640x360, 10 fps, no audio"."""
        if self.error is not None:
            return str(self.error)
        return f"{self.camera}: {in_words(self.sends)}" if self.sends else self.camera


def open_inputs(cameras: Sequence[CameraSpec], limits: MediaLimits) -> Generator[Opened]:
    """Open each camera in a decoder process of its own and yield what it sends, as soon as it is known.

    The cameras' time limits and ``limits`` hold. If the caller stops early, the connections that are still being made
    are given up.
    """
    pool = DecoderPool(worker_environment(), LOGGING)
    frames, clock = FrameSpec(_SIDE, _SIDE, "whole"), SystemClock()
    sources = {c.name: pool.build(replace(c, limits=limits), frames, clock) for c in cameras}
    threads = ThreadPoolExecutor(min(AT_ONCE, len(sources)) or 1)
    try:
        for done in as_completed([threads.submit(_open, name, source) for name, source in sources.items()]):
            yield done.result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for source in sources.values():
            source.stop()
        threads.shutdown()
        pool.close()


def in_words(sends: SourceInfo) -> str:
    """Return the codecs, size and rates of a source in words."""
    rate = f", {sends.fps:.3g} fps" if sends.fps else ""
    video = f"{sends.video_codec or 'video'}, {sends.width}x{sends.height}{rate}"
    audio = f"{sends.audio_codec or 'audio'} audio" + (f", {sends.audio_hz / 1000:g} kHz" if sends.audio_hz else "")
    return f"{video if sends.has_video else 'no video'}, {audio if sends.has_audio else 'no audio'}"


def _open(name: str, source: Source) -> Opened:
    try:
        return Opened(name, source.open())
    except WatchwordError as error:
        return Opened(name, error=error)
    finally:
        source.close()
