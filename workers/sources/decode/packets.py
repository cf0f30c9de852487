"""Sampling in time, and a video decoder that skips frames nobody needs, survives damaged data, and counts both."""

from collections import deque
from collections.abc import Callable, Sequence
from math import floor
from typing import NamedTuple, Protocol

from av import VideoFrame
from av.codec.context import Flags
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from workers.sources.containers.container import Entry
from workers.sources.counters import Counters

# In these codecs no other frame needs a frame that the decoder reports as "non-reference". HEVC is excluded: a
# sub-layer non-reference picture may be a reference of higher temporal layers (H.265, 8.1.3).
_SKIPPABLE = {"h264", "mpeg4", "mpeg2video", "mpeg1video"}
# Codecs with exactly one shown frame per packet, so that a packet's time stamp identifies its frame.
_ONE_TO_ONE = _SKIPPABLE | {"hevc", "vp9", "mjpeg"}
_MARKS_INCOMPLETE = {"h264"}  # decoders that mark each frame that lacks references as corrupt
_OUTPUT_CORRUPT = Flags.output_corrupt.value
_BROKEN = 3  # damaged packets in a row, after which a corrupt frame shows nothing new
MOST_INSIDE = 64  # packets in the decoder without output yet; packets without a shown frame never produce any


SLACK_S = 5.1e-4  # time stamps in milliseconds (Matroska) can lie half a millisecond before a grid step


class Grid:
    """The sampling grid ``k / fps`` seconds: each step takes the first frame at or after it, or stays empty.

    Only time stamps count, not frame numbers or an average rate, so variable frame rates need no special case.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self._next: int | None = None

    def take(self, t: float) -> bool:
        """Return whether to sample the frame at ``t`` stream seconds. Call it in order of time."""
        step = floor((t + SLACK_S) * self.fps)
        if step < 0 or (self._next is not None and step < self._next):
            return False
        self._next = step + 1
        return True

    def rewind(self, t: float) -> None:
        """Free the step of the frame at ``t`` and all later steps, after that frame failed to decode."""
        self._next = floor((t + SLACK_S) * self.fps)


class Sampled(NamedTuple):
    """A sampled frame at ``t`` stream seconds."""

    frame: VideoFrame
    t: float
    segment: int


def needed(entries: Sequence[Entry]) -> int:
    """Return how many of ``entries`` must be decoded for the last wanted frame, both of its fields included."""
    count = max((i + 1 for i, e in enumerate(entries) if e.wanted), default=0)
    return count + (0 < count < len(entries) and entries[count].picture.ends_frame)


class FrameDecoder(Protocol):
    """Chooses and decodes the sampled frames of one video stream."""

    def feed(self, entry: Entry) -> list[Sampled]:
        """Process the next packet in decode order; return finished sampled frames in order of time."""
        ...

    def finish(self) -> list[Sampled]:
        """Return the last sampled frames at the end of the stream."""
        ...


class PacketDecoder:
    """Wraps a codec context; it counts damaged data as ``corrupt`` instead of raising an error."""

    def __init__(self, context: VideoCodecContext, counters: Counters, max_pixels: int) -> None:
        self._context = context
        self._max_pixels = max_pixels
        self._counters = counters
        self._skips = context.name in _SKIPPABLE
        self._skipping = False
        self.fed = False  # whether anything was fed since the last flush
        self.damaged = 0  # packets that failed to decode
        self._damaged_in_row = 0  # since the last frame
        self.counts_damage = True

    def decode(self, entry: Entry, wanted: bool) -> list[VideoFrame]:
        """Decode ``entry``; return the output frames. A frame not ``wanted`` is skipped if no other frame needs it."""
        if not entry.picture.ends_frame:  # a second field is decoded like the first one
            self._skip(self._skips and not wanted)
        self.fed = True
        frames = self._run(lambda: self._context.decode(entry.packet))
        pixels = self._context.width * self._context.height
        self._counters.worked(fed=pixels if pixels <= self._max_pixels else 0)  # a refused frame still sets the size
        return frames

    def join(self, entry: Entry) -> list[VideoFrame]:
        """Decode ``entry`` before the first entry point; also return frames that lack references, until a reset."""
        self._context.flags |= _OUTPUT_CORRUPT
        self.counts_damage = False
        frames = self.decode(entry, wanted=True)
        self.counts_damage = True
        return frames

    def is_complete(self, frame: VideoFrame) -> bool:
        """Return whether the decoder knows that ``frame`` lacks no references."""
        return self._context.name in _MARKS_INCOMPLETE and not frame.is_corrupt

    def drain(self) -> list[VideoFrame]:
        """Return the remaining frames; reset the decoder for a key frame."""
        frames = self._run(lambda: self._context.decode(None))
        self.reset()
        return frames

    def reset(self) -> None:
        """Flush the decoder."""
        if self.fed:
            self._context.flush_buffers()
        self._context.flags &= ~_OUTPUT_CORRUPT
        self.fed = False
        self._damaged_in_row = 0

    def _count_damage(self) -> None:
        """Count a failed frame as corrupt, or as too large if the decoder refused its size."""
        width, height = self._context.width, self._context.height
        if width and width * height <= self._max_pixels:
            self._counters.dropped("corrupt")
        else:
            self._counters.dropped("too_large")
            self._counters.note("frames that are too large were dropped (limits.pixels)")

    def _usable(self, frames: list[VideoFrame]) -> list[VideoFrame]:
        """Leave out corrupt frames after damaged packets in a row, which are most likely of another codec.

        A decoder finds start codes in those as well, and repeats its last picture for them. Where packets are lost,
        corrupt frames come without such rows, and show the most that can be had before the next key frame.
        """
        usable = [f for f in frames if not f.is_corrupt or self._damaged_in_row < _BROKEN]
        if usable:
            self._damaged_in_row = 0
        return usable

    def _skip(self, on: bool) -> None:
        if on != self._skipping:
            self._context.skip_frame = "NONREF" if on else "DEFAULT"
            self._skipping = on

    def _run(self, step: Callable[[], list[VideoFrame]]) -> list[VideoFrame]:
        try:
            frames = step()
        except MemoryError:  # not damage: the next packets would need the memory too
            raise
        except FFmpegError:
            if self.counts_damage:
                self.damaged += 1
                self._damaged_in_row += 1
                self._count_damage()
            return []
        frames = self._usable(frames)
        self._counters.decoded(len(frames))
        self._counters.worked(shown=sum(f.width * f.height for f in frames))
        return frames


def is_one_to_one(context: VideoCodecContext) -> bool:
    """Return whether every packet of this codec gives exactly one frame with the packet's time stamp."""
    return context.name in _ONE_TO_ONE


class PlainDecoder:
    """Decodes all frames and samples afterwards, where packets do not identify their frames."""

    def __init__(self, decoder: PacketDecoder, grid: Grid) -> None:
        self._decoder = decoder
        self._grid = grid
        self._last: Entry | None = None
        self._inside: deque[Entry] = deque(maxlen=MOST_INSIDE)
        self._t: float | None = None  # of the last frame without a time stamp of presentation

    def feed(self, entry: Entry) -> list[Sampled]:
        """Process the next packet in decode order; return finished sampled frames."""
        self._last = entry
        self._inside.append(entry)
        return self._choose(self._decoder.decode(entry, wanted=True))

    def finish(self) -> list[Sampled]:
        """Return the last sampled frames at the end of the stream."""
        return self._choose(self._decoder.drain()) if self._last else []

    def _choose(self, frames: list[VideoFrame]) -> list[Sampled]:
        timed = [(frame, *self._time(frame)) for frame in frames]
        return [Sampled(frame, t, segment) for frame, t, segment in timed if self._grid.take(t)]

    def _time(self, frame: VideoFrame) -> tuple[float, int]:
        """Return stream seconds and segment of the packet that a frame comes from; later packets may follow a jump."""
        last = self._last
        assert last is not None
        if frame.pts is None:  # the decoder tells when it is shown from the time stamps in decode order, but at the end
            entry = next((e for e in self._inside if e.packet.dts == frame.dts and frame.dts is not None), None)
            self._t = entry.decode_t if entry else last.t if self._t is None else self._t + last.apart_s
            return self._t, last.place.segment
        entry = next((e for e in self._inside if e.packet.pts == frame.pts), None)
        if entry is None:
            return frame.pts * float(last.packet.time_base) + last.place.offset, last.place.segment
        self._inside.remove(entry)
        return entry.t, entry.place.segment


class KeyframeTier:
    """Decodes only key frames, at most one per grid step, and drains the decoder after each.

    ``skip_frame=NONKEY`` would delay as many key frames as the codec may reorder frames. If key frames are more than
    ``MAX_GOP_S`` apart, or need other frames (a periodic intra refresh), ``fallback`` samples the grid from then on.
    """

    MAX_GOP_S = 10.0

    def __init__(self, decoder: PacketDecoder, grid: Grid, fallback: FrameDecoder) -> None:
        self._decoder = decoder
        self._grid = grid
        self._fallback = fallback
        self._held: list[Entry] = []  # since the last key frame
        self._wanted: list[Entry] = []  # the fields of a key frame
        self._fallen = False

    def feed(self, entry: Entry) -> list[Sampled]:
        """Process the next packet in decode order; return finished sampled frames."""
        if self._fallen:
            return self._fallback.feed(entry)
        if entry.picture.is_entry:
            self._held = [entry]
            self._wanted = [entry] if self._grid.take(entry.t) else []
            return self._keyframe() if self._wanted and not entry.picture.begins_frame else []
        self._held.append(entry)
        if self._wanted and entry.picture.ends_frame:
            self._wanted.append(entry)
            return self._keyframe()
        if entry.decode_t - self._held[0].decode_t <= self.MAX_GOP_S and not entry.packet.is_keyframe:
            return []
        self._fallen = True
        return [s for e in self._held for s in self._fallback.feed(e)]

    def finish(self) -> list[Sampled]:
        """Return the last sampled frames at the end of the stream."""
        return self._fallback.finish() if self._fallen else []

    def _keyframe(self) -> list[Sampled]:
        wanted, self._wanted = self._wanted, []
        self._decoder.reset()
        frames = [f for e in wanted for f in self._decoder.decode(e, wanted=True)] + self._decoder.drain()
        return [Sampled(f, wanted[0].t, wanted[0].place.segment) for f in frames[:1]]
