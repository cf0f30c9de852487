"""The packets inside a decoder, and which of the frames that it outputs are wanted."""

from collections import deque
from collections.abc import Sequence

from av import VideoFrame

from workers.sources.containers.container import Entry
from workers.sources.decode.packets import MOST_INSIDE, Sampled

QUIET = 6  # packets in a row without a frame, more than B-frames that are skipped


class AwaitedFrames:
    """Matches the frames that a decoder outputs with the packets that it was fed.

    A sample is the first frame at or after its packet, usually the packet's own: a packet without a frame (damaged, or
    before a periodic intra refresh is complete) is replaced by the next frame. Not so where a decoder fell silent after
    it had begun: the key frame of those packets was lost, and the next frame shows the scene before it, unmarked.
    """

    def __init__(self) -> None:
        self._inside: deque[Entry] = deque()  # fed, without a frame so far
        self._lost: list[Entry] = []  # wanted, and inside for too long
        self._output: deque[tuple[VideoFrame, Entry]] = deque()  # not yet offered to the grid
        self._begun = self._fell_silent = False  # since the decoder was flushed
        self._quiet = 0  # packets since the last frame

    @property
    def missing(self) -> list[Entry]:
        """Return the packets that were fed and are wanted, but have no frame so far."""
        return [e for e in (*self._lost, *self._inside) if e.wanted]

    def put(self, entry: Entry) -> None:
        """Note that ``entry`` is fed to the decoder."""
        if entry.picture.ends_frame:
            return
        self._inside.append(entry)
        self._quiet += 1
        if len(self._inside) > MOST_INSIDE and (oldest := self._inside.popleft()).wanted:
            self._lost.append(oldest)

    def take(self, frames: Sequence[VideoFrame] = (), exactly: bool = False) -> list[Sampled]:
        """Return the wanted frames, of ``frames`` and earlier ones; ``exactly``: only the wanted packets' own."""
        if frames:
            self._fell_silent |= self._begun and self._quiet > QUIET
            self._begun, self._quiet = True, 0
        for frame in frames:
            entry = next((e for e in self._inside if _stamp(e) == frame.pts), None)
            if entry is not None:
                self._inside.remove(entry)
                self._output.append((frame, entry))
        out: list[Sampled] = []
        while self._output and self._output[0][1].offered:
            frame, entry = self._output.popleft()
            replaced = [] if exactly or self._fell_silent else [e for e in self.missing if e.t <= entry.t]
            if entry.wanted or replaced:
                out.append(Sampled(frame, entry.t, entry.place.segment))
            for e in replaced:
                e.wanted = False
            self._lost = [e for e in self._lost if e.wanted]
        return out

    def clear(self, before_t: float | None = None) -> None:
        """Forget the packets before ``before_t``; without it everything, after the decoder was flushed."""
        self._lost = [e for e in self._lost if before_t is not None and e.t >= before_t]
        self._inside = deque(e for e in self._inside if before_t is not None and e.t >= before_t)
        if before_t is None:
            self._output.clear()
            self._begun, self._fell_silent, self._quiet = False, False, 0


def _stamp(entry: Entry) -> int | None:
    """Return the time stamp that the decoder's frame of this packet has."""
    return entry.packet.pts if entry.packet.pts is not None else entry.packet.dts
