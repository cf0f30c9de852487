"""The spans of a whole segment in which what is known of a clip is final, as a tracker finds them hop by hop.

A tracker runs its automaton over the window at every hop. If the probability of a clip does not change once it is
decided, almost all hops change nothing. So only those are made at which something can change: a clip begins or prolongs
a span, a span may close, or a clip with which a span began becomes the first of the window: there it begins half a hop
before its time, and no longer half-way to the clip before it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignment.spans.reports import Reports
from alignment.spans.tracker import Candidate, SpanRule, State, lasting, step
from alignment.types import F32, F64, Bools, Span, SpanChange
from alignment.windows import WINDOW_CLIPS

LOOKAHEAD = 1  # a clip is decided when so many have come after it
I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FinalTrack:
    """The C clips of a segment as they are in the end.

    ``t`` f64[C], stream seconds; ``p`` f32[C]; ``shares`` f32[C, 3]; ``bounds`` f64[C, 2] of a clip within a window,
    and ``edge`` f64[C]: where it begins as the first of one. ``hops``: how many clips came one by one; those behind
    them were added when the segment ended.
    """

    t: F64
    p: F32
    shares: F32
    bounds: F64
    edge: F64
    hops: int

    def first(self, hop: int) -> int:
        """Return the first clip of the window of a hop, which is numbered by its latest clip."""
        return max(0, min(hop, self.hops) - WINDOW_CLIPS)


@dataclass(frozen=True, slots=True)
class Noticed:
    """A change of a span, and the clips, ``first`` to before ``end``, of the window in which it was noticed."""

    change: SpanChange
    first: int
    end: int


def changes_at_once(event: str, rule: SpanRule, track: FinalTrack, begins_at: int = 0) -> Iterator[Noticed]:
    """Yield the changes that ``SpanTracker`` reports of a segment, which begins to count with clip ``begins_at``."""
    marks = _Marks.of(track, rule, begins_at)
    done = 0
    while done < len(marks.entries):
        reader = _Reader(event, rule, track, marks)
        yield from reader.read(int(marks.entries[done]))
        done = int(np.searchsorted(marks.entries, reader.decided))


@dataclass(frozen=True, slots=True)
class _Marks:
    """Numbers of clips that matter, rising. ``above`` bool[C]: which reach the exit; ``entries``: which the entry.

    ``rises`` i64[C]: where the rise begins that a clip belongs to; ``falls``: clips behind a rise. ``edges``: with
    which clips a span may begin. ``holes``: before which ones a span may close although they reach the exit.
    """

    above: Bools
    entries: I64
    rises: I64
    falls: I64
    edges: I64
    holes: I64

    @classmethod
    def of(cls, track: FinalTrack, rule: SpanRule, begins_at: int) -> "_Marks":
        """Return the marks of a track under a rule that is in force from clip ``begins_at`` on."""
        p = track.p.astype(np.float64)
        above = np.asarray(p >= rule.exit)
        above[:begins_at] = False
        steps = np.diff(above.astype(np.int8), prepend=0, append=0)
        rises = np.maximum.accumulate(np.where(steps[:-1] > 0, np.arange(len(p)), 0))
        entries = np.flatnonzero(above & (p >= rule.enter))
        first = entries[np.diff(rises[entries], prepend=-1) > 0]
        holes = 1 + np.flatnonzero(above[:-1] & (track.t[1:] - track.bounds[:-1, 1] > rule.merge_gap_s))
        edges = np.unique(np.concatenate([rises[first], first, holes]))
        return cls(above, entries, rises, np.flatnonzero(steps < 0), edges, holes)


class _Reader:
    """Makes the hops of one stretch: from the first entry until nothing of a span is left. For one pass."""

    def __init__(self, event: str, rule: SpanRule, track: FinalTrack, marks: _Marks) -> None:
        self._event, self._rule, self._track, self._marks = event, rule, track, marks
        self._reports = Reports(rule.update_every_s)
        self._first, self._before = 0, State()  # of the window, and the state before it
        self._after = State()  # behind the last decided clip
        self.decided = 0  # clips

    def read(self, entry: int) -> Iterator[Noticed]:
        """Yield what changes, from the hop at which clip ``entry`` is decided."""
        track, rise = self._track, int(self._marks.rises[entry])
        following: int | None = entry + LOOKAHEAD
        self._first = track.first(entry + LOOKAHEAD)
        if rise < self._first:
            self._before = State(rise=float(track.edge[rise]))
        while following is not None:
            hop, ends = following, following >= track.hops
            self._slide(track.first(hop))
            self.decided = len(track.t) if ends else hop
            changes = self._reports.changes(self._spans(float(track.t[-1 if ends else hop])))
            if ends:
                changes += self._reports.changes(self._spans(math.inf))
            yield from (Noticed(change, self._first, min(hop + 1, len(track.t))) for change in changes)
            following = None if ends else self._following(hop)

    def _slide(self, first: int) -> None:
        """Move the window. Each clip that leaves it was the first one before."""
        if first == self._first:
            return
        track, gap_s = self._track, self._rule.merge_gap_s
        state, _ = self._fold(self._before, self._first, first, track.edge)
        last = float(track.edge[first - 1])
        if state.candidate is not None and last - state.candidate.end > gap_s:
            state = State(None, state.rise, state.active)
        self._reports.forget(last, gap_s)
        self._first, self._before = first, state

    def _spans(self, settled_s: float) -> list[Span]:
        """Return the spans that the decided clips of the window show, and remember the state behind them."""
        first, track = self._first, self._track
        starts = np.concatenate([track.edge[first : first + 1], track.bounds[first + 1 : self.decided, 0]])
        self._after, found = self._fold(self._before, first, self.decided, starts, first)
        if self._after.candidate is not None:
            found.append(self._after.candidate)
        return lasting(found, self._event, self._rule, settled_s)

    def _fold(self, state: State, first: int, end: int, starts: F64, origin: int = 0) -> tuple[State, list[Candidate]]:
        """Return the state behind clips ``first`` to before ``end``, and the spans that ended among them.

        Clips below the exit end a rise, and do nothing else that the next clip above it does not do, too.
        """
        track, above, found = self._track, self._marks.above, list[Candidate]()
        last = first - 1
        for i in (first + np.flatnonzero(above[first:end])).tolist():
            if i > last + 1:
                state = State(state.candidate)
            bounds = float(starts[i - origin]), float(track.bounds[i, 1])
            state, done = step(state, track.p[i], bounds, track.shares[i], self._rule)
            if done is not None:
                found.append(done)
            last = i
        return (state if last == end - 1 else State(state.candidate)), found

    def _following(self, hop: int) -> int | None:
        """Return the next hop at which something can change; None if nothing is left that could."""
        marks, track = self._marks, self._track
        prolonged = self._after.active and bool(marks.above[hop])
        closing = self._reports.open[: -1 if prolonged else None]
        hops = [self._closes(span.end, hop) for span in closing]
        edge = _next(marks.edges, hop - WINDOW_CLIPS + 1)
        if edge is not None and edge < hop and edge + WINDOW_CLIPS <= track.hops:
            hops.append(edge + WINDOW_CLIPS)
        if prolonged:
            return min(self._prolongs(hop), *hops) if hops else self._prolongs(hop)
        entry = _next(marks.entries, hop)
        if entry is not None and not (not hops and self._is_over(track.first(entry + LOOKAHEAD))):
            hops.append(entry + LOOKAHEAD)
        return min(hops, default=None)

    def _closes(self, end: float, hop: int) -> int:
        """Return the hop at which a span closes that nothing prolongs."""
        t, gap_s = self._track.t[: self._track.hops], self._rule.merge_gap_s
        at = max(hop + 1, int(np.searchsorted(t, end + gap_s)) - 1)
        while at < len(t) and t[at] - end <= gap_s:
            at += 1
        return at

    def _prolongs(self, hop: int) -> int:
        """Return the hop at which a span that goes on is reported, or ends."""
        marks, track, known = self._marks, self._track, self._reports.known[-1:]
        if not known or not known[0].span.open:
            return hop + 1
        until = min(hop + WINDOW_CLIPS // 2, _next(marks.falls, hop) or track.hops)
        grown = np.flatnonzero(track.bounds[hop:until, 1] - known[0].reported_end >= self._rule.update_every_s)
        following = hop + int(grown[0]) + LOOKAHEAD if len(grown) else until
        hole = _next(marks.holes, hop + 1)
        return min(following, until, track.hops if hole is None else hole)

    def _is_over(self, first: int) -> bool:
        """Return whether nothing of a span is left before a window that begins with clip ``first``."""
        ends = [known.span.end for known in self._reports.known]
        if self._after.candidate is not None:
            ends.append(self._after.candidate.end)
        last = float(self._track.edge[first - 1]) if first else -math.inf
        return all(last - end > self._rule.merge_gap_s for end in ends)


def _next(numbers: I64, least: int) -> int | None:
    """Return the first of rising numbers that is not below ``least``."""
    at = int(np.searchsorted(numbers, least))
    return int(numbers[at]) if at < len(numbers) else None
