"""Consecutive parts of one live stream as flat columns: its items, its frames and its clips."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignment.types import F32, F64, Bools, Detections
from alignment.windows import ClipWindow
from daemon.backtest.parts import Part
from workers.decisions.segment import STALLED_VIDEO_S
from workers.decisions.segments import BRIDGE_S
from workers.index import rounding
from workers.index.tables import Columns, Kind
from workers.items import StreamItem
from workers.types import Areas

I64 = NDArray[np.int64]
EMPTY = -1
ENDLESS = 1 << 60  # clips
OBJECT_COLUMNS = ("object_class", "object_logit", "object_box", "object_colours")


@dataclass(frozen=True, slots=True)
class SegmentClips:
    """The clips of one segment, as its window makes them.

    ``first`` and ``end``: its items, flat. ``frame_of`` i64[C]: the frame of each clip, ``EMPTY`` where frames stopped.
    ``t`` f64[C]: times, stream seconds; ``begin``: where the segment does. ``later``: times of clips without a frame
    that are added when the segment ends; None: the window also grew otherwise than by a frame.
    """

    number: int
    first: int
    end: int
    frame_of: I64
    t: F64
    begin: float = -np.inf
    later: F64 | None = None


class FlatStream:
    """Items i are numbered through all parts, and so are frames n.

    ``kind`` u8[I], ``segment`` i32[I]; ``item_of`` i64[N] is the item of each frame, ``t`` f64[N] its stream second.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.offsets = np.cumsum([0, *(part.end - part.first for part in parts)])  # of items
        self.kind = np.concatenate([part.shard.columns["kind"][part.first : part.end] for part in parts])
        self.segment = np.concatenate([part.shard.columns["segment"][part.first : part.end] for part in parts])
        counts = [_frame_counts(part.shard.columns) for part in parts]
        firsts = [int(n[: part.first].sum()) for n, part in zip(counts, parts, strict=True)]
        own = [n[part.first : part.end] for n, part in zip(counts, parts, strict=True)]
        self.rows = [(first, first + int(n.sum())) for first, n in zip(firsts, own, strict=True)]
        self.frame_offsets = np.cumsum([0, *(end - first for first, end in self.rows)])
        self.item_of = np.repeat(np.arange(len(self.kind)), np.concatenate(own))
        self.t: F64 = np.concatenate([p.shard.t[a:b] for p, (a, b) in zip(parts, self.rows, strict=True)])
        self.audio_item = np.flatnonzero(self.kind == Kind.AUDIO)
        self.audio_end: F64 = np.concatenate([_audio_ends(part) for part in parts])
        self.times = np.concatenate([part.times[part.first : part.end] for part in parts])  # of items
        self.armed = next((int(self.offsets[k]) + p.armed - p.first for k, p in enumerate(parts) if p.armed < p.end), 0)

    @property
    def by_frame(self) -> bool:
        """Return whether each item has one frame at most, and there is any."""
        return len(self.item_of) > 0 and bool((np.diff(self.item_of) > 0).all())

    def first_armed(self, clips: SegmentClips) -> int:
        """Return the first clip of a segment on which the rule decides."""
        framed = clips.frame_of != EMPTY
        items = np.full(len(clips.t), -1)
        items[framed] = self.item_of[clips.frame_of[framed]]
        late = np.flatnonzero(items >= self.armed)
        return int(late[0]) if len(late) else len(clips.t)

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

        A zone that a part does not name was not looked at during that part.
        """
        values, real = np.zeros((len(frames), self.parts[0].tape.dims[0]), np.float32), np.zeros(len(frames), bool)
        for part, mine, at in self._places(frames):
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

    def objects(self, frames: I64, classes: Collection[int]) -> Detections:
        """Return f32[n, M, 8]: the objects of some classes in frames; none in ``EMPTY`` ones."""
        wanted, found, counts = np.zeros(256, bool), [np.zeros((0, 8), np.float32)], np.zeros(len(frames), np.int64)
        wanted[list(classes)] = True
        for part, mine, at in self._places(frames):
            columns = part.shard.columns
            number = columns["objects"].astype(np.int64)
            first, number = (np.cumsum(number) - number)[at], number[at]
            rows = np.repeat(first - np.cumsum(number) + number, number) + np.arange(number.sum())
            chosen = wanted[columns["object_class"][rows]]
            rows, owner = rows[chosen], np.repeat(mine, number)[chosen]
            found.append(rounding.object_rows(*(columns[name][rows] for name in OBJECT_COLUMNS)))
            counts += np.bincount(owner, minlength=len(frames))
        return rounding.padded(counts.astype(np.uint8), np.concatenate(found), int(counts.max(initial=1)))

    def segments(self) -> list[SegmentClips]:
        """Return the segments in order."""
        known = np.flatnonzero(self.kind != Kind.GAP)
        if not len(known):
            return []
        numbers = self.segment[known]
        edges = np.flatnonzero(np.diff(numbers)) + 1
        firsts = known[np.concatenate([[0], edges])]
        ends = [*firsts[1:], len(self.kind)]
        return [self._clips(int(a), int(b)) for a, b in zip(firsts, ends, strict=True)]

    def _places(self, frames: I64) -> Iterator[tuple[Part, I64, I64]]:
        """Yield parts, which of the frames lie in each, and in which rows of its shard."""
        known = np.flatnonzero(frames != EMPTY)
        part_of = np.searchsorted(self.frame_offsets, frames[known], "right") - 1
        for k in np.unique(part_of).tolist():
            mine = known[part_of == k]
            yield self.parts[k], mine, frames[mine] - self.frame_offsets[k] + self.rows[k][0]

    def _clips(self, first: int, end: int) -> SegmentClips:
        number, tape = int(self.segment[first]), self.parts[0].tape
        frames = np.arange(*np.searchsorted(self.item_of, [first, end]))
        t = self.t[frames]
        heard = slice(*np.searchsorted(self.audio_item, [first, end]))
        until, begin = self.audio_end[heard], float(self.times[first])
        before = np.searchsorted(self.item_of[frames], self.audio_item[heard])  # frames
        shown_s = np.concatenate([[begin + tape.hop_s / 2], t])[before]
        if not len(frames) or (np.diff(t) <= 0).any() or (until - shown_s >= STALLED_VIDEO_S).any():
            return self._windowed(number, first, end)
        later = t[-1] + tape.hop_s * np.arange(1, STALLED_VIDEO_S / tape.hop_s + 1)
        heard_until = until[-1] if len(until) else -np.inf
        return SegmentClips(number, first, end, frames, t, begin, later[later + tape.hop_s / 2 <= heard_until])

    def _windowed(self, number: int, first: int, end: int) -> SegmentClips:
        """Return the clips that a window makes of frames and audio whose times are not plain."""
        tape = self.parts[0].tape
        window = ClipWindow(tape.hop_s, 1, 1, size=ENDLESS, reach_s=BRIDGE_S)
        frames = int(np.searchsorted(self.item_of, first))
        heard = int(np.searchsorted(self.audio_item, first))
        for i in range(first, end):
            if self.kind[i] == Kind.FRAMES:
                mark = np.array([frames], np.float32)  # exact: a camera has fewer frames in a month
                window.add_frame(float(self.t[frames]), mark)
                frames += 1
            elif self.kind[i] == Kind.AUDIO:
                until = float(self.audio_end[heard])
                heard += 1
                if until - window.last_t >= STALLED_VIDEO_S:
                    window.fill_until(until - STALLED_VIDEO_S)
        seen = window.features()
        marks = seen.frames[:, 0].astype(np.int64)
        frame_of = np.where(seen.frame_mask, marks, EMPTY)
        return SegmentClips(number, first, end, frame_of, np.where(seen.frame_mask, self.t[marks], seen.bounds.mean(1)))


def _audio_ends(part: Part) -> F64:
    """Return f64[A]: where each piece of audio of a part ends, stream seconds."""
    columns, heard = part.shard.columns, part.shard.columns["kind"] == Kind.AUDIO
    own = slice(int(heard[: part.first].sum()), int(heard[: part.end].sum()))
    return rounding.ends(columns["audio_start"][own], columns["audio_length"][own])


def _frame_counts(columns: Columns) -> I64:
    """Return i64[I]: how many frames each item of a shard has."""
    return np.where(columns["kind"] == Kind.FRAMES, columns["rows"], 0).astype(np.int64)
