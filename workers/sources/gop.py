"""Decode only what sampling wants, for files: a group of pictures (GOP) at a time.

Compressed packets of one GOP are held until all time stamps that matter are known. Then the wanted frames are
chosen, packets behind the last wanted one are never fed, and the decoder is drained. Frames that lead the
next keyframe in an open GOP need this GOP's references: if one of them is wanted, decoding runs through
instead.
"""

from collections.abc import Iterable

from av import VideoFrame

from workers.sources.decoding import PacketDecoder, PlainDecoder, Sampled
from workers.sources.media import Entry
from workers.sources.sampling import Grid

MAX_HELD = 600  # packets; a longer GOP is decoded in parts
MAX_HELD_BYTES = 32 << 20


class GopDecoder:
    """Chooses and decodes the wanted frames; gives the very frames that a full decode would give."""

    def __init__(self, decoder: PacketDecoder, grid: Grid) -> None:
        self._decoder = decoder
        self._grid = grid
        self._before: list[Entry] = []  # the GOP before, should the next one not stand alone
        self._gop: list[Entry] = []
        self._head: list[Entry] = []  # the next keyframe and the frames that lead it
        self._bytes = 0
        self._whole = True  # nothing of the held GOP has been decoded yet
        self._awaited: dict[int, Entry] = {}  # by presentation time stamp
        self._plain: PlainDecoder | None = None

    def feed(self, entry: Entry) -> list[Sampled]:
        """Take the next packet in decode order; return the sampled frames that are finished."""
        if self._plain is None and not entry.exact:
            return self._give_up(entry)
        if self._plain is not None:
            return self._plain.feed(entry)
        out: list[Sampled] = []
        if self._head:
            if not entry.packet.is_keyframe and entry.t < self._head[0].t:
                self._head.append(entry)
                return out
            out = self._close()
            if self._plain is not None:
                return out + self._plain.feed(entry)
        if entry.packet.is_keyframe and self._gop:
            self._head = [entry]
            return out
        self._hold(entry)
        if len(self._gop) > MAX_HELD or self._bytes > MAX_HELD_BYTES:
            out += self._part(entry.decode_t)
        return out

    def finish(self) -> list[Sampled]:
        """Return the last frames, at the end of the stream."""
        out = self._close() if self._head else []
        out += self._close() if self._gop else []
        return out + (self._plain.finish() if self._plain is not None else [])

    def _hold(self, entry: Entry) -> None:
        self._gop.append(entry)
        self._bytes += entry.packet.size

    def _give_up(self, entry: Entry) -> list[Sampled]:
        """Go on by full decode: without presentation time stamps nothing can be planned."""
        out = self.finish()
        self._plain = PlainDecoder(self._decoder, self._grid)
        return out + self._plain.feed(entry)

    def _close(self) -> list[Sampled]:
        """Finish the held GOP and make the next one the held one."""
        leading = self._head[1:]
        self._offer(self._gop + leading)
        if any(e.wanted for e in leading):
            out = self._decode(self._gop)
            self._awaited = {k: e for k, e in self._awaited.items() if e.t >= self._gop[0].t}
        else:
            last = max((i for i, e in enumerate(self._gop) if e.wanted), default=-1)
            out = self._decode(self._gop[: last + 1])
            out += self._collect(self._decoder.drain() if self._decoder.fed else [])
            if self._awaited:
                out = self._repair(out)
        if self._plain is not None:
            return out
        self._before = self._gop if self._whole else []
        self._gop, self._head, self._whole = self._head, [], True
        self._bytes = sum(e.packet.size for e in self._gop)
        return out

    def _part(self, settled: float) -> list[Sampled]:
        """Decode the start of a GOP that is too long to hold; no later packet is shown before ``settled``."""
        self._offer(e for e in self._gop if e.t <= settled)
        ready = next((i for i, e in enumerate(self._gop) if not e.offered), len(self._gop))
        if not ready:  # time stamps that contradict each other: take them as they come
            self._offer(self._gop)
            ready = len(self._gop)
        out = self._decode(self._gop[:ready])
        self._gop, self._whole = self._gop[ready:], False
        self._bytes = sum(e.packet.size for e in self._gop)
        return out

    def _offer(self, entries: Iterable[Entry]) -> None:
        for entry in sorted((e for e in entries if not e.offered), key=lambda e: e.t):
            entry.offered = True
            entry.wanted = not entry.packet.is_discard and self._grid.take(entry.t)

    def _decode(self, entries: list[Entry]) -> list[Sampled]:
        out: list[Sampled] = []
        for entry in entries:
            if entry.wanted and entry.packet.pts is not None:
                self._awaited[entry.packet.pts] = entry
            out += self._collect(self._decoder.decode(entry, entry.wanted))
        return out

    def _collect(self, frames: list[VideoFrame]) -> list[Sampled]:
        found = [(f, self._awaited.pop(f.pts, None)) for f in frames if f.pts is not None]
        return [Sampled(f, e.t, e.place.epoch) for f, e in found if e is not None]

    def _repair(self, found: list[Sampled]) -> list[Sampled]:
        """Replace wanted frames that did not decode by the next ones that do, as a full decode would have."""
        missing = sorted(self._awaited.values(), key=lambda e: e.t)
        self._awaited.clear()
        damaged = self._decoder.damaged
        frames = self._decode_all() if self._whole and self._gop[0].packet.is_keyframe else {}
        if frames and self._gop[0].t not in frames and self._decoder.damaged == damaged:
            return self._run_through(found, missing[0].t)
        borders = sorted(e.t for e in self._gop if e.wanted)
        for entry in missing:
            until = next((t for t in borders if t > entry.t), float("inf"))
            spare = min((t for t in frames if entry.t < t < until), default=None)
            if spare is not None:
                found.append(Sampled(frames[spare], spare, entry.place.epoch))
            elif until == float("inf"):
                self._grid.rewind(entry.t)
        return sorted(found, key=lambda s: s.t)

    def _run_through(self, found: list[Sampled], since: float) -> list[Sampled]:
        """Go on by full decode, from the GOP before: this "keyframe" is none.

        With periodic intra refresh a picture is whole only some frames after the place where decoding may
        begin.
        """
        self._grid.rewind(since)
        self._plain = PlainDecoder(self._decoder, self._grid)
        entries = self._before + self._gop + self._head
        self._before, self._gop, self._head = [], [], []
        return [s for s in found if s.t < since] + [s for e in entries for s in self._plain.feed(e)]

    def _decode_all(self) -> dict[float, VideoFrame]:
        """Return every frame of the held GOP that decodes, by stream time."""
        times = {e.packet.pts: e.t for e in self._gop}
        self._decoder.counts_damage = False  # it was counted the first time
        frames = [f for e in self._gop for f in self._decoder.decode(e, wanted=True)] + self._decoder.drain()
        self._decoder.counts_damage = True
        return {times[f.pts]: f for f in frames if f.pts in times}
