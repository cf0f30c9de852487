"""Decode only what sampling wants, for live streams: as late as possible, but without waiting for a GOP's end.

Packets stay compressed. When a sample is due, the references since the last decoded point are decoded, then
whatever arrives until the wanted frame has come out of the decoder; after that packets are held again. A
keyframe makes all held packets worthless.
"""

from av import VideoFrame

from workers.sources.decoding import PacketDecoder, Sampled
from workers.sources.media import Entry
from workers.sources.sampling import Grid

MAX_HELD = 600  # packets without a keyframe
MAX_HELD_BYTES = 32 << 20


class LazyDecoder:
    """Chooses and decodes the wanted frames of a live stream.

    Frames that lead a keyframe in an open GOP are no candidates, for their references are mostly not decoded;
    the keyframe, a few frames later, stands in for them. Nothing happens before the first keyframe.
    """

    def __init__(self, decoder: PacketDecoder, grid: Grid) -> None:
        self._decoder = decoder
        self._grid = grid
        self._held: list[Entry] = []  # not yet decoded
        self._open: list[Entry] = []  # not yet offered to the grid
        self._bytes = 0
        self._keyframe_t: float | None = None
        self._awaited: dict[int, Entry] = {}

    def feed(self, entry: Entry) -> list[Sampled]:
        """Take the next packet in decode order; return the sampled frames that are finished."""
        out: list[Sampled] = []
        if entry.packet.is_keyframe:
            out = self._finish_gop()
            self._keyframe_t = entry.t
        if self._keyframe_t is None:
            return out
        self._held.append(entry)
        self._bytes += entry.packet.size
        if entry.t >= self._keyframe_t:
            self._open.append(entry)
        return out + self._advance(entry.decode_t)

    def finish(self) -> list[Sampled]:
        """Return the last frames, at the end of the stream."""
        return self._finish_gop()

    def _advance(self, settled: float) -> list[Sampled]:
        """Offer what no later packet can precede, and decode as far as that makes necessary."""
        self._offer([e for e in self._open if e.t <= settled])
        self._open = [e for e in self._open if not e.offered]
        if self._awaited or len(self._held) > MAX_HELD or self._bytes > MAX_HELD_BYTES:
            return self._decode(len(self._held))
        return self._decode(self._last_wanted())

    def _finish_gop(self) -> list[Sampled]:
        self._offer(self._open)
        self._open = []
        out = self._decode(self._last_wanted())
        if self._awaited:
            out += self._collect(self._decoder.drain())
        self._decoder.reset()
        self._awaited.clear()
        self._held, self._bytes = [], 0
        return out

    def _offer(self, entries: list[Entry]) -> None:
        for entry in sorted(entries, key=lambda e: e.t):
            entry.offered = True
            entry.wanted = not entry.packet.is_discard and self._grid.take(entry.t)

    def _last_wanted(self) -> int:
        return max((i + 1 for i, e in enumerate(self._held) if e.wanted), default=0)

    def _decode(self, count: int) -> list[Sampled]:
        out: list[Sampled] = []
        for entry in self._held[:count]:
            if entry.wanted:
                self._awaited[entry.packet.pts if entry.packet.pts is not None else entry.packet.dts or 0] = entry
            out += self._collect(self._decoder.decode(entry, entry.wanted))
        self._held = self._held[count:]
        self._bytes = sum(e.packet.size for e in self._held)
        return out

    def _collect(self, frames: list[VideoFrame]) -> list[Sampled]:
        found = [(f, self._awaited.pop(f.pts, None)) for f in frames if f.pts is not None]
        return [Sampled(f, e.t, e.place.epoch) for f, e in found if e is not None]
