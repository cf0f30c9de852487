"""One video decoder, fed packet by packet: skips what nobody waits for, survives damage, counts both."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from av import VideoFrame
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from workers.sources.counters import Counters
from workers.sources.media import Entry
from workers.sources.sampling import Grid

# In these, a picture that the decoder takes for "non-reference" is never needed by another one. HEVC is not
# among them: there, a sub-layer non-reference picture may serve higher temporal layers (H.265, 8.1.3).
_SKIPPABLE = {"h264", "mpeg4", "mpeg2video", "mpeg1video"}
# Codecs with exactly one shown picture per packet, so that a packet's time stamp tells which picture it
# gives.
_ONE_TO_ONE = _SKIPPABLE | {"hevc", "vp9", "mjpeg"}
MOST_INSIDE = 64  # packets in a decoder whose frames have not come out; those that show nothing never do


class Sampled(NamedTuple):
    """A decoded frame that was asked for, at ``t`` stream seconds."""

    frame: VideoFrame
    t: float
    epoch: int


class FrameDecoder(Protocol):
    """Chooses and decodes the wanted frames of one video stream."""

    def feed(self, entry: Entry) -> list[Sampled]:
        """Take the next packet in decode order; return the sampled frames that are finished, in rising time."""
        ...

    def finish(self) -> list[Sampled]:
        """Return the last frames, at the end of the stream."""
        ...


class PacketDecoder:
    """Feeds a codec context and never raises for damaged data: that is counted as ``corrupt``."""

    def __init__(self, context: VideoCodecContext, counters: Counters, max_pixels: int) -> None:
        self._context = context
        self._max_pixels = max_pixels
        self._counters = counters
        self._skips = context.name in _SKIPPABLE
        self._skipping = False
        self.fed = False  # anything since the last flush
        self.damaged = 0  # packets that gave an error
        self.counts_damage = True

    def decode(self, entry: Entry, wanted: bool) -> list[VideoFrame]:
        """Return the frames that come out when ``entry`` goes in; a frame not wanted is skipped if none needs it."""
        self._skip(self._skips and not wanted)
        self.fed = True
        frames = self._run(lambda: self._context.decode(entry.packet))
        pixels = self._context.width * self._context.height
        self._counters.worked(fed=pixels if pixels <= self._max_pixels else 0)  # a refused picture leaves its size
        return frames

    def drain(self) -> list[VideoFrame]:
        """Return the frames still inside, and make the decoder ready for a keyframe."""
        frames = self._run(lambda: self._context.decode(None))
        self.reset()
        return frames

    def reset(self) -> None:
        """Forget everything fed so far."""
        if self.fed:
            self._context.flush_buffers()
        self.fed = False

    def _count_damage(self) -> None:
        """Count a picture that gave an error; one that was refused for its size left that size, or none."""
        width, height = self._context.width, self._context.height
        if width and width * height <= self._max_pixels:
            self._counters.dropped("corrupt")
        else:
            self._counters.dropped("too_large")
            self._counters.note("pictures that are too large were left out (limits.pixels)")

    def _skip(self, on: bool) -> None:
        if on != self._skipping:
            self._context.skip_frame = "NONREF" if on else "DEFAULT"
            self._skipping = on

    def _run(self, step: Callable[[], list[VideoFrame]]) -> list[VideoFrame]:
        try:
            frames = step()
        except MemoryError:  # PyAV's, or Python's: damage does not ask for memory, and it would go on asking
            raise
        except FFmpegError:
            self.damaged += 1
            if self.counts_damage:
                self._count_damage()
            return []
        self._counters.decoded(len(frames))
        self._counters.worked(shown=sum(f.width * f.height for f in frames))
        return frames


def is_one_to_one(context: VideoCodecContext) -> bool:
    """Return whether every packet of this codec gives exactly one picture, with the packet's own time stamp."""
    return context.name in _ONE_TO_ONE


class PlainDecoder:
    """Decodes everything and chooses afterwards: for codecs and containers where packets do not tell enough."""

    def __init__(self, decoder: PacketDecoder, grid: Grid) -> None:
        self._decoder = decoder
        self._grid = grid
        self._last: Entry | None = None
        self._inside: deque[Entry] = deque(maxlen=MOST_INSIDE)

    def feed(self, entry: Entry) -> list[Sampled]:
        """Take the next packet in decode order; return the sampled frames that are finished."""
        self._last = entry
        self._inside.append(entry)
        return self._choose(self._decoder.decode(entry, wanted=True))

    def finish(self) -> list[Sampled]:
        """Return the last frames, at the end of the stream."""
        return self._choose(self._decoder.drain()) if self._last else []

    def _choose(self, frames: list[VideoFrame]) -> list[Sampled]:
        timed = [(frame, *self._time(frame)) for frame in frames]
        return [Sampled(frame, t, epoch) for frame, t, epoch in timed if self._grid.take(t)]

    def _time(self, frame: VideoFrame) -> tuple[float, int]:
        """Return stream seconds and epoch of the packet that a frame comes from: later ones may lie after a jump."""
        last = self._last
        assert last is not None
        if frame.pts is None:
            return last.t, last.place.epoch
        entry = next((e for e in self._inside if e.packet.pts == frame.pts), None)
        if entry is None:
            return frame.pts * float(last.packet.time_base) + last.place.offset, last.place.epoch
        self._inside.remove(entry)
        return entry.t, entry.place.epoch


class KeyframeTier:
    """The cheapest tier: decodes keyframes alone, at most one per grid step, each drained at once.

    ``skip_frame=NONKEY`` would hold back as many keyframes as the codec may reorder frames. Where keyframes
    lie more than ``MAX_GOP_S`` apart they are too few to watch by: from there on ``fallback`` samples the
    grid.
    """

    MAX_GOP_S = 10.0

    def __init__(self, decoder: PacketDecoder, grid: Grid, fallback: FrameDecoder) -> None:
        self._decoder = decoder
        self._grid = grid
        self._fallback = fallback
        self._held: list[Entry] = []  # since the last keyframe
        self._fallen = False

    def feed(self, entry: Entry) -> list[Sampled]:
        """Take the next packet in decode order; return the sampled frames that are finished."""
        if self._fallen:
            return self._fallback.feed(entry)
        if entry.packet.is_keyframe:
            self._held = [entry]
            return self._keyframe(entry) if self._grid.take(entry.t) else []
        self._held.append(entry)
        if entry.decode_t - self._held[0].decode_t <= self.MAX_GOP_S:
            return []
        self._fallen = True
        return [s for e in self._held for s in self._fallback.feed(e)]

    def finish(self) -> list[Sampled]:
        """Return the last frames, at the end of the stream."""
        return self._fallback.finish() if self._fallen else []

    def _keyframe(self, entry: Entry) -> list[Sampled]:
        self._decoder.reset()
        frames = self._decoder.decode(entry, wanted=True) + self._decoder.drain()
        return [Sampled(f, entry.t, entry.place.epoch) for f in frames[:1]]
