"""A rule on one live stream, in which only what could matter is decided item by item.

A stretch around each clip that could matter (``screen``) goes through the same code as live operation, from a window
before it until nothing of it is left in the window. What lies between cannot change any decision: no span is open or
rises there. Budgets are told of its time, clip by clip as it would have left the window.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from alignment.personal.head import RAISED
from alignment.spans.budget import LOWEST_LEVEL, Budget
from alignment.spans.tracker import SpanRule
from alignment.types import F64, Bools
from alignment.windows import WINDOW_CLIPS
from daemon.backtest.curve import LEVELS
from daemon.backtest.deciding.flat import EMPTY, FlatStream, SegmentClips
from daemon.backtest.deciding.looks import PreparedAligner
from daemon.backtest.deciding.replay import Replay
from daemon.backtest.parts import WARM_CLIPS
from workers.decisions.segment import STALLED_VIDEO_S
from workers.decisions.segments import BRIDGE_S
from workers.items import FrameAnswer

LAG = WINDOW_CLIPS + 1  # a clip is final, and counts, when so many clips have come after it
SEEN_AT_ONCE = 4096  # clips
SETTLING = 4  # clips more, for times that jitter


@dataclass(frozen=True, slots=True)
class Stretch:
    """Clips ``first`` to before ``end`` of a segment, to be decided one by one."""

    first: int
    end: int


def floor_of(rule: SpanRule, budget: bool, head: bool = False) -> float:
    """Return the probability below which no clip matters: to the rule, to its curve, or to its budget.

    ``head``: what people judged may raise it.
    """
    lowest = min(rule.enter, float(LEVELS[0]), LOWEST_LEVEL if budget else 1.0) * rule.exit_ratio
    odds = lowest / (1 - lowest) * (math.exp(-RAISED) if head else 1.0)
    return odds / (1 + odds)


def stretches(clips: SegmentClips, could: Bools, begin: int, rule: SpanRule, hop_s: float) -> list[Stretch]:
    """Return the stretches of a segment in order, apart from each other; none reaches before clip ``begin``."""
    hot = np.flatnonzero(could)
    hot = hot[hot >= begin]
    over = np.searchsorted(clips.t, clips.t[hot] + rule.merge_gap_s + 2 * hop_s) + LAG + SETTLING
    found: list[Stretch] = []
    for first, end in zip((hot - WARM_CLIPS).tolist(), over.tolist(), strict=True):
        first, end = _start(clips, max(first, begin, 0)), min(end, len(clips.t))
        if found and first <= found[-1].end:
            found[-1] = Stretch(found[-1].first, max(end, found[-1].end))
        else:
            found.append(Stretch(first, end))
    return found


def _start(clips: SegmentClips, first: int) -> int:
    """Return the clip with which a stretch may begin: one with a frame, behind which none is missing."""
    while first > 0 and (
        clips.frame_of[first] == EMPTY
        or clips.frame_of[first - 1] == EMPTY
        or clips.t[first] - clips.t[first - 1] > STALLED_VIDEO_S / 2
    ):
        first -= 1
    return first


class Skipper:
    """Decides on one segment after the other. ``aligner``: where windows are read by number of their clip."""

    def __init__(self, stream: FlatStream, replay: Replay, aligner: PreparedAligner | None) -> None:
        self.replayed, self.seconds = 0, 0.0  # clips; what was watched
        self._stream, self._replay, self._aligner = stream, replay, aligner
        self._tape = stream.parts[0].tape

    def decide(self, clips: SegmentClips, could: Bools, rule: SpanRule, on_clips: Callable[[float], None]) -> None:
        """Decide on a segment, of which the rule is in force from the first armed item on.

        ``on_clips`` gets the number of clips judged since its last call. An error that it raises ends the work.
        """
        armed, count = self._stream.first_armed(clips), len(clips.t)
        if armed >= count:
            return
        hop_s = self._tape.hop_s
        matters = could & (np.arange(count) >= armed)
        times = _Times(watched_s(clips.t, hop_s), max(0, armed - WINDOW_CLIPS), self._replay.budget)
        self.seconds += float(times.watched[armed:].sum())
        at = armed
        for stretch in stretches(clips, matters, max(0, armed - WARM_CLIPS), rule, hop_s):
            self._skip(clips, at, stretch.first, times, on_clips)
            self._decide(clips, stretch, armed, times, on_clips)
            at = stretch.end
        self._skip(clips, at, count, times, on_clips)
        if at < count:
            times.leave(count - LAG, count)
            self._replay.begin(armed=True)
        else:
            self._replay.close()

    def _decide(
        self, clips: SegmentClips, stretch: Stretch, armed: int, times: "_Times", on_clips: Callable[[float], None]
    ) -> None:
        stream, replay = self._stream, self._replay
        if self._aligner is not None:
            self._aligner.prepare(stretch.first, stretch.end)
        unarmed = stretch.first < armed
        replay.begin(armed=not unarmed)
        waits = not unarmed  # for the window to be full: until then clips leave that it never had
        clip = stretch.first
        for place, item in stream.items(self._item(clips, stretch.first), self._item(clips, stretch.end)):
            if unarmed and place >= stream.armed:
                replay.arm()
                unarmed = False
            replay.add(item)
            if isinstance(item, FrameAnswer):
                if waits and clip < stretch.first + LAG:
                    times.leave(clip - LAG, clip - LAG + 1)
                clip += 1
                on_clips(1)
        self.replayed += stretch.end - stretch.first

    def _skip(
        self, clips: SegmentClips, first: int, end: int, times: "_Times", on_clips: Callable[[float], None]
    ) -> None:
        """Let clips ``first`` to before ``end`` pass: only budgets notice."""
        if times.budget is None:
            on_clips(max(0, end - first))
            return
        for begin in range(first, end, SEEN_AT_ONCE):
            some = np.arange(begin, min(begin + SEEN_AT_ONCE, end))
            frames, real = self._stream.features(clips.frame_of[some])
            frames[~real] = np.nan  # as the encoder gave it
            for n, row in zip(some.tolist(), frames, strict=True):
                if clips.frame_of[n] != EMPTY:
                    self._replay.see(clips.t[n : n + 1], row[None])
                times.leave(n - LAG, n - LAG + 1)
            on_clips(len(some))

    def _item(self, clips: SegmentClips, clip: int) -> int:
        """Return the item with which a clip begins: the first of the segment, its own; behind the last the end."""
        if clip == 0:
            return clips.first
        while clip < len(clips.t) and clips.frame_of[clip] == EMPTY:
            clip += 1
        return int(self._stream.item_of[clips.frame_of[clip]]) if clip < len(clips.t) else clips.end


@dataclass(frozen=True, slots=True)
class _Times:
    """The seconds f64[C] that each clip of a segment adds to what was watched. Clips before ``low`` do not count."""

    watched: F64
    low: int
    budget: Budget | None

    def leave(self, first: int, end: int) -> None:
        """Tell the budget that clips ``first`` to before ``end`` have left the window, and nothing was in them."""
        if self.budget is not None:
            for n in range(max(first, self.low), end):
                self.budget.observe(float(self.watched[n]))


def watched_s(t: F64, hop_s: float) -> F64:
    """Return f64[C]: what each clip adds to what was watched, when it leaves the window as its first clip.

    The last window is left at once, at the end of the segment: there clips begin where those before them end.
    """
    between, reach_s = (t[1:] + t[:-1]) / 2, max(hop_s, BRIDGE_S)
    start = t - hop_s / 2
    last = np.arange(max(1, len(t) - LAG + 1), len(t))
    start[last] = np.maximum(between[last - 1], t[last] - reach_s)
    end = np.minimum(np.append(between, t[-1] + hop_s / 2), t + reach_s)
    until = np.maximum.accumulate(np.concatenate([[-np.inf], end[:-1]]))
    return np.asarray(np.maximum(0.0, end - np.maximum(start, until)))
