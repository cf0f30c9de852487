"""Decode only sampled frames of live streams: as late as possible, without waiting for the end of a GOP.

Packets are held compressed. When a sample is due, the reference frames since the last decoded packet are decoded, then
each arriving packet until the decoder outputs the sampled frame; after that packets are held again. An entry point (a
key frame that needs no other frame) makes all held packets useless.
"""

from workers.sources.containers.container import Entry
from workers.sources.decode.awaited import AwaitedFrames
from workers.sources.decode.packets import Grid, PacketDecoder, Sampled, needed

MAX_HELD = 600  # packets without an entry point
MAX_HELD_BYTES = 32 << 20
# Without an entry point for so long the picture is as complete as it gets: a periodic intra refresh takes seconds.
JOINED_S = 10.0


class LazyDecoder:
    """Chooses and decodes the sampled frames of a live stream.

    Leading frames of an open GOP are never sampled, because their references are usually not decoded; the key frame, a
    few frames later, is sampled instead. A stream that is joined between two entry points is decoded from the first
    packet on, but its frames are used only once they are complete: after a refresh, or after ``JOINED_S``.
    """

    def __init__(self, decoder: PacketDecoder, grid: Grid) -> None:
        self._decoder = decoder
        self._grid = grid
        self._held: list[Entry] = []  # not yet decoded
        self._open: list[Entry] = []  # not yet offered to the grid
        self._bytes = 0
        self._joined_t: float | None = None
        self._since_t: float | None = None  # of the entry point; frames before it are not complete
        self._awaited = AwaitedFrames()

    def feed(self, entry: Entry) -> list[Sampled]:
        """Process the next packet in decode order; return finished sampled frames."""
        out: list[Sampled] = []
        if entry.picture.is_entry:
            out = self._finish_gop()
            self._since_t = entry.t
        if self._since_t is None:
            self._join(entry)
            return out
        self._held.append(entry)
        self._bytes += entry.packet.size
        entry.offered = entry.t < self._since_t  # a leading frame: not wanted
        if not entry.offered:
            self._open.append(entry)
        return out + self._advance(entry.decode_t)

    def finish(self) -> list[Sampled]:
        """Return the last sampled frames at the end of the stream."""
        return self._finish_gop()

    def _join(self, entry: Entry) -> None:
        """Decode a packet before the first entry point; sampling starts when the picture is complete."""
        self._joined_t = entry.decode_t if self._joined_t is None else self._joined_t
        frames = self._decoder.join(entry)
        if any(self._decoder.is_complete(f) for f in frames) or entry.decode_t - self._joined_t >= JOINED_S:
            self._since_t = entry.t

    def _advance(self, settled: float) -> list[Sampled]:
        """Offer the packets that no later packet can precede to the grid; decode what they require."""
        self._offer([e for e in self._open if e.t <= settled])
        self._open = [e for e in self._open if not e.offered]
        out = self._awaited.take()
        if self._awaited.missing or len(self._held) > MAX_HELD or self._bytes > MAX_HELD_BYTES:
            return out + self._decode(len(self._held))
        return out + self._decode(needed(self._held))

    def _finish_gop(self) -> list[Sampled]:
        self._offer(self._open)
        self._open = []
        out = self._awaited.take() + self._decode(needed(self._held))
        if self._awaited.missing:
            # What comes only now stands in for nothing: after a lost key frame it shows the scene before it, unmarked.
            out += self._awaited.take(self._decoder.drain(), exactly=True)
        self._decoder.reset()
        if missing := self._awaited.missing:  # they failed to decode: the next frame is sampled instead
            self._grid.rewind(min(e.t for e in missing))
        self._awaited.clear()
        self._held, self._bytes = [], 0
        return out

    def _offer(self, entries: list[Entry]) -> None:
        for entry in sorted(entries, key=lambda e: e.t):
            entry.offered = True
            entry.wanted = entry.is_shown and self._grid.take(entry.t)

    def _decode(self, count: int) -> list[Sampled]:
        out: list[Sampled] = []
        for entry in self._held[:count]:
            self._awaited.put(entry)
            undecided = not entry.offered
            out += self._awaited.take(self._decoder.decode(entry, entry.wanted or undecided))
        self._held = self._held[count:]
        self._bytes = sum(e.packet.size for e in self._held)
        return out
