"""Consecutive parts of one live stream as flat columns: its items, its frames and its clips."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignment.types import F32, F64, Bools
from alignment.windows import ClipWindow
from daemon.backtest.parts import Part
from workers.decisions.segment import STALLED_VIDEO_S
from workers.decisions.segments import BRIDGE_S
from workers.index import rounding
from workers.index.tables import Kind, spans
from workers.items import StreamItem
from workers.types import Areas

I64 = NDArray[np.int64]
EMPTY = -1
ENDLESS = 1 << 60  # clips


@dataclass(frozen=True, slots=True)
class SegmentClips:
    """The clips of one segment, as its window makes them.

    ``first`` and ``end``: its items, flat. ``frame_of`` i64[C]: the frame of each clip, ``EMPTY`` where frames stopped.
    ``t`` f64[C]: times, stream seconds.
    """

    number: int
    first: int
    end: int
    frame_of: I64
    t: F64


class FlatStream:
    """Items i are numbered through all parts, and so are frames n.

    ``kind`` u8[I], ``segment`` i32[I]; ``item_of`` i64[N] is the item of each frame, ``t`` f64[N] its stream second.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.offsets = np.cumsum([0, *(part.end - part.first for part in parts)])  # of items
        self.kind = np.concatenate([part.shard.columns["kind"][part.first : part.end] for part in parts])
        self.segment = np.concatenate([part.shard.columns["segment"][part.first : part.end] for part in parts])
        rows = [spans(part.shard.columns)["frame"] for part in parts]
        self.rows = [(int(at[part.first]), int(at[part.end])) for at, part in zip(rows, parts, strict=True)]
        self.frame_offsets = np.cumsum([0, *(end - first for first, end in self.rows)])
        counts = np.concatenate([np.diff(at[p.first : p.end + 1]) for at, p in zip(rows, parts, strict=True)])
        self.item_of = np.repeat(np.arange(len(self.kind)), counts)
        self.t: F64 = np.concatenate([p.shard.t[a:b] for p, (a, b) in zip(parts, self.rows, strict=True)])
        self.armed = next((int(self.offsets[k]) + p.armed - p.first for k, p in enumerate(parts) if p.armed < p.end), 0)

    def items(self, first: int, end: int) -> Iterator[tuple[int, StreamItem]]:
        """Yield the items from ``first`` to before ``end`` with their numbers; what is missing is left out."""
        for k, part in enumerate(self.parts):
            begin, stop = max(first, int(self.offsets[k])), min(end, int(self.offsets[k + 1]))
            if begin < stop:
                places = begin + np.flatnonzero(self.kind[begin:stop] != Kind.GAP)
                items = part.shard.items(begin - int(self.offsets[k]) + part.first)
                yield from zip(places.tolist(), items, strict=False)

    def features(self, frames: I64, areas: Areas = ()) -> tuple[F32, Bools]:
        """Return f32[n, D] and bool[n] of frames, or of a zone of them; rows without a feature are 0, and of ``EMPTY``.

        Nobody has looked at a zone that a part does not name.
        """
        values, real = np.zeros((len(frames), self.parts[0].tape.dims[0]), np.float32), np.zeros(len(frames), bool)
        for k, part in enumerate(self.parts):
            mine = (frames >= self.frame_offsets[k]) & (frames < self.frame_offsets[k + 1])
            if mine.any():
                at = frames[mine] - self.frame_offsets[k] + self.rows[k][0]
                columns = part.shard.columns
                if not areas:
                    kept, scale = columns["frames"][at], columns["scale"][at]
                elif areas in part.tape.zones:
                    zone = part.tape.zones.index(areas)
                    kept, scale = columns["zone_frames"][at, zone], columns["zone_scale"][at, zone]
                else:
                    continue
                seen = np.isfinite(scale)
                values[mine] = np.where(seen[:, None], rounding.rows_of(kept, scale), 0)
                real[mine] = seen
        return values, real

    def segments(self) -> list[SegmentClips]:
        """Return the segments in order."""
        known = np.flatnonzero(np.isin(self.kind, (Kind.FRAMES, Kind.AUDIO, Kind.TRANSCRIPT, Kind.DROPPED, Kind.END)))
        if not len(known):
            return []
        numbers = self.segment[known]
        edges = np.flatnonzero(np.diff(numbers)) + 1
        firsts = known[np.concatenate([[0], edges])]
        ends = [*firsts[1:], len(self.kind)]
        return [self._clips(int(a), int(b)) for a, b in zip(firsts, ends, strict=True)]

    def _clips(self, first: int, end: int) -> SegmentClips:
        number, tape = int(self.segment[first]), self.parts[0].tape
        frames = np.arange(*np.searchsorted(self.item_of, [first, end]))
        t = self.t[frames]
        steps, heard = np.diff(t), bool((self.kind[first:end] == Kind.AUDIO).any())
        stalls = heard and steps.max(initial=0.0) > STALLED_VIDEO_S - 2 * tape.hop_s
        if len(frames) and (steps > 0).all() and not stalls:
            return SegmentClips(number, first, end, frames, t)
        return self._windowed(number, first, end)

    def _windowed(self, number: int, first: int, end: int) -> SegmentClips:
        """Return the clips that a window makes of frames and audio whose times are not plain."""
        tape = self.parts[0].tape
        window = ClipWindow(tape.hop_s, 1, 1, size=ENDLESS, reach_s=BRIDGE_S)
        frames = int(np.searchsorted(self.item_of, first))
        ends = self._audio_ends()
        heard = int((self.kind[:first] == Kind.AUDIO).sum())
        for i in range(first, end):
            if self.kind[i] == Kind.FRAMES:
                mark = np.array([frames], np.float32)  # exact: a camera has fewer frames in a month
                window.add_frame(float(self.t[frames]), mark)
                frames += 1
            elif self.kind[i] == Kind.AUDIO:
                until = float(ends[heard])
                heard += 1
                if until - window.last_t >= STALLED_VIDEO_S:
                    window.fill_until(until - STALLED_VIDEO_S)
        seen = window.features()
        marks = seen.frames[:, 0].astype(np.int64)
        frame_of = np.where(seen.frame_mask, marks, EMPTY)
        return SegmentClips(number, first, end, frame_of, np.where(seen.frame_mask, self.t[marks], seen.bounds.mean(1)))

    def _audio_ends(self) -> F64:
        """Return f64[A]: where each piece of audio ends, stream seconds."""
        found = []
        for part in self.parts:
            columns = part.shard.columns
            own = slice(*(int(spans(columns)["audio"][i]) for i in (part.first, part.end)))
            found.append(rounding.ends(columns["audio_start"][own], columns["audio_length"][own]))
        return np.concatenate(found)
