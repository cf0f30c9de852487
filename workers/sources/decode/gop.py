"""Decode only sampled frames of files, one group of pictures (GOP) at a time.

The compressed packets of a GOP are held until all relevant time stamps are known. Then the sampled frames are chosen,
the GOP is decoded up to the last of them, and the decoder is drained. Leading frames of the next key frame (open GOP)
need this GOP's references: if one of them is sampled, decoding continues without a drain.
"""

from collections.abc import Iterable, Sequence

from av import VideoFrame

from workers.sources.containers.container import Entry
from workers.sources.decode.awaited import AwaitedFrames
from workers.sources.decode.packets import Grid, PacketDecoder, PlainDecoder, Sampled, needed

MAX_HELD = 600  # packets; a longer GOP is decoded in parts
MAX_HELD_BYTES = 32 << 20
_VOP, _B = b"\0\0\1\xb6", 2  # before the type of a frame in two bits, and that of B-frames (ISO/IEC 14496-2, 6.2.5)


class GopDecoder:
    """Chooses and decodes the sampled frames; the result equals that of a full decode."""

    def __init__(self, decoder: PacketDecoder, grid: Grid) -> None:
        self._decoder = decoder
        self._grid = grid
        self._gop: list[Entry] = []
        self._head: list[Entry] = []  # the next entry point and its leading frames
        self._bytes = 0
        self._whole = True  # nothing of the held GOP has been decoded yet
        self._awaited = AwaitedFrames()
        self._plain: PlainDecoder | None = None

    def feed(self, entry: Entry) -> list[Sampled]:
        """Process the next packet in decode order; return finished sampled frames."""
        if self._plain is None and not (entry.exact or entry.picture.ends_frame):
            return self._decode_fully_from(entry)
        if self._plain is not None:
            return self._plain.feed(entry)
        out: list[Sampled] = []
        if self._head:
            if not entry.picture.is_entry and (entry.t < self._head[0].t or entry.picture.ends_frame):
                self._head.append(entry)
                return out
            out = self._close()
        if entry.picture.is_entry and self._gop:
            self._head = [entry]
            return out
        self._hold(entry)
        if len(self._gop) > MAX_HELD or self._bytes > MAX_HELD_BYTES:
            out += self._part(entry.decode_t)
        return out

    def finish(self) -> list[Sampled]:
        """Return the last sampled frames at the end of the stream."""
        _tell_apart([*self._gop, *self._head])
        out = self._close() if self._head else []
        out += self._close() if self._gop else []
        return out + (self._plain.finish() if self._plain is not None else [])

    def _hold(self, entry: Entry) -> None:
        self._gop.append(entry)
        self._bytes += entry.packet.size

    def _decode_fully_from(self, entry: Entry) -> list[Sampled]:
        """Switch to full decoding: without presentation time stamps frames cannot be chosen in advance."""
        out = self.finish()
        self._plain = PlainDecoder(self._decoder, self._grid)
        return out + self._plain.feed(entry)

    def _close(self) -> list[Sampled]:
        """Finish the held GOP; hold the next one."""
        leading = self._head[1:]
        self._offer(self._gop + leading)
        if any(e.wanted for e in leading):
            out = self._decode(self._gop)
            self._awaited.clear(before_t=self._gop[0].t)
        else:
            out = self._decode(self._gop[: needed(self._gop)])
            out += self._collect(self._decoder.drain() if self._decoder.fed else [])
            if self._awaited.missing:
                out = self._repair(out)
            self._awaited.clear()
        self._gop, self._head, self._whole = self._head, [], True
        self._bytes = sum(e.packet.size for e in self._gop)
        return out

    def _part(self, settled: float) -> list[Sampled]:
        """Decode the start of a GOP that is too long to hold; no later packet is presented before ``settled``."""
        self._offer(e for e in self._gop if e.t <= settled)
        ready = next((i for i, e in enumerate(self._gop) if not e.offered), len(self._gop))
        if not ready:  # contradictory time stamps: use decode order
            self._offer(self._gop)
            ready = len(self._gop)
        self._whole = False
        out = self._decode(self._gop[:ready])
        self._gop = self._gop[ready:]
        self._bytes = sum(e.packet.size for e in self._gop)
        return out

    def _offer(self, entries: Iterable[Entry]) -> None:
        for entry in sorted((e for e in entries if not e.offered), key=lambda e: e.t):
            entry.offered = True
            entry.wanted = entry.is_shown and self._grid.take(entry.t)

    def _decode(self, entries: list[Entry]) -> list[Sampled]:
        out: list[Sampled] = []
        for entry in entries:
            self._awaited.put(entry)
            out += self._collect(self._decoder.decode(entry, entry.wanted))
        return out

    def _collect(self, frames: list[VideoFrame]) -> list[Sampled]:
        return self._awaited.take(frames, exactly=self._whole)  # `_repair` finds the exact frame in a held GOP

    def _repair(self, found: list[Sampled]) -> list[Sampled]:
        """Replace sampled frames that failed to decode by the next decodable ones, as a full decode would."""
        missing = sorted(self._awaited.missing, key=lambda e: e.t)
        frames = self._decode_all() if self._whole and self._gop[0].packet.is_keyframe else {}
        borders = sorted(e.t for e in self._gop if e.wanted)
        for entry in missing:
            until = next((t for t in borders if t > entry.t), float("inf"))
            spare = min((t for t in frames if entry.t < t < until), default=None)
            if spare is not None:
                found.append(Sampled(frames[spare], spare, entry.place.segment))
            elif until == float("inf"):
                self._grid.rewind(entry.t)
        return sorted(found, key=lambda s: s.t)

    def _decode_all(self) -> dict[float, VideoFrame]:
        """Return every decodable frame of the held GOP, by stream time."""
        times = {e.packet.pts: e.t for e in self._gop}
        self._decoder.counts_damage = False  # it was already counted
        frames = [f for e in self._gop for f in self._decoder.decode(e, wanted=True)] + self._decoder.drain()
        self._decoder.counts_damage = True
        return {times[f.pts]: f for f in frames if f.pts in times}


def _tell_apart(entries: Sequence[Entry]) -> None:
    """Give the last two frames times of their own: FFmpeg gives them one, of MPEG-4 Part 2 in ASF and AVI.

    It guesses when a frame is shown from those that follow. A B-frame is shown before the other one.
    """
    *before, last = entries or (None,)
    twin = next((e for e in before if last and e.packet.pts == last.packet.pts and not e.offered), None)
    if last is None or twin is None:
        return
    coded = bytes(last.packet).partition(_VOP)[2]
    if not coded:
        return
    later = twin if coded[0] >> 6 == _B else last
    step = (last.packet.dts or 0) - (before[-1].packet.dts or 0)
    later.packet.pts = (later.packet.pts or 0) + step
    later.t += last.decode_t - before[-1].decode_t
