"""Online spans: from a probability per clip to events that open, grow and close.

An automaton with hysteresis (enter high, leave low), gap merging and a minimum duration reads each clip of the window.
Scores of past clips may still change (a transcript arrives late, a smoothing filter sees one more clip). Therefore the
automaton runs over the whole window again at every hop, from the state that it had before the window's first clip, and
the tracker reports the differences from the spans that it reported before. One pass over a whole file finds the same
spans.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from alignment.spans.budget import Budget
from alignment.spans.reports import Reports
from alignment.types import F32, F64, ScoreTrack, Span, SpanChange

TRACK_POINTS = 75
TOP_SCORES = 3


@dataclass(frozen=True, slots=True)
class SpanRule:
    """When a span begins and ends. Probabilities 0..1, durations in seconds."""

    enter: float = 0.5
    exit: float = 0.35
    min_duration_s: float = 1.0
    merge_gap_s: float = 3.0
    update_every_s: float = 10.0

    def at(self, enter: float) -> "SpanRule":
        """Return the rule with another entry and, in the same ratio, another exit."""
        return replace(self, enter=enter, exit=enter * self.exit_ratio)

    @property
    def exit_ratio(self) -> float:
        """Return exit by entry."""
        return self.exit / self.enter if self.enter else 1.0


NOT_YET = SpanRule(enter=math.inf, exit=math.inf)  # of a clip from before the rule began: no probability reaches it


@dataclass(frozen=True, slots=True)
class Candidate:
    """A span that is being built. ``lead`` is where the rise before the entry began."""

    start: float
    end: float
    top: tuple[float, ...]
    shares: tuple[float, float, float]  # sums over its active clips
    clips: int
    track: tuple[tuple[float, float], ...]
    threshold: float

    def span(self, event: str, is_open: bool) -> Span:
        """Return it as a span of an event."""
        vision, speech, sound = (x / self.clips for x in self.shares)
        score = sum(self.top) / len(self.top)
        return Span(event, self.start, self.end, score, is_open, (vision, speech, sound), self.track, self.threshold)


@dataclass(frozen=True, slots=True)
class State:
    """The automaton between two clips: the span it is in, and the start of a rise that may become one."""

    candidate: Candidate | None = None
    rise: float | None = None
    active: bool = False


class SpanTracker:
    """Tracks the spans of one event in one segment; ``update`` takes a score track per hop and returns the changes.

    With a ``budget`` the threshold of the rule moves, but only between spans: a clip is always read by the rule that
    was in force when the clip entered the window.
    """

    def __init__(self, event: str, rule: SpanRule, budget: Budget | None = None, begins_at: int = 0) -> None:
        """``begins_at``: number of the first clip that counts, for a rule that is younger than its window."""
        self.event, self._begins_at = event, begins_at
        self.rule = rule.at(budget.threshold) if budget else rule
        self._budget = budget
        self._tally = budget.tally(rule.exit_ratio, rule.min_duration_s, rule.merge_gap_s) if budget else None
        self._rules: list[SpanRule] = []  # of each clip of the window
        self._least_enter = self.rule.enter  # of those
        self._busy = False
        self.known_until = -math.inf  # no span that is not reported begins before this stream second
        self._checkpoint = State()
        self._first = 0
        self._seen: tuple[F32, F64, F32] = (np.zeros(0, np.float32), np.zeros((0, 2)), np.zeros((0, 3), np.float32))
        self._reports = Reports(rule.update_every_s, budget.allowance if budget else None)

    def update(self, track: ScoreTrack, first: int, decided: int, settled_s: float) -> tuple[SpanChange, ...]:
        """Read the window again; return what changed.

        ``first``: number of the track's first clip. ``decided``: number of clips that are final. ``settled_s``: stream
        second up to which all evidence has arrived; a span closes when it lies more than a merge gap after the
        span's end.
        """
        self._slide(first)
        self._move()
        self._seen = (track.p[:decided], track.bounds[:decided], track.shares[:decided])
        for number in range(first + len(self._rules), first + decided):
            self._rules.append(self.rule if number >= self._begins_at else NOT_YET)
        idle = self._checkpoint.candidate is None and self._checkpoint.rise is None
        if idle and not self._reports.known and not (self._seen[0] >= self._least_enter).any():
            self._busy = False
            self.known_until = min(settled_s, self._rise_began())
            return ()
        return self._reports.changes(self._spans(settled_s))

    def finish(self) -> tuple[SpanChange, ...]:
        """Close all spans at the end of the segment; return what changed."""
        changes = self._reports.changes(self._spans(float("inf")))
        if self._budget and self._tally:
            self._count(len(self._seen[0]))
            self._budget.observe(0.0, self._tally.finish())
        return changes

    @property
    def open_until(self) -> float:
        """Return the latest end so far of a reported span that goes on; minus infinity without one."""
        return max((span.end for span in self._reports.open), default=-math.inf)

    def _rise_began(self) -> float:
        """Return where the last clips that may turn out to be the beginning of a span begin, else the last clip."""
        p, bounds, _ = self._seen
        if not len(p):
            return self.known_until
        low = np.flatnonzero(p < self._least_enter * self.rule.exit_ratio)
        first = int(low[-1]) + 1 if len(low) else 0
        return float(bounds[min(first, len(p) - 1), 0])

    def _move(self) -> None:
        """Use the budget's threshold for the next clips, unless a span is being built."""
        if self._budget and not self._busy and self._budget.threshold != self.rule.enter:
            self.rule = self.rule.at(self._budget.threshold)
        if self._least_enter != self.rule.enter:
            self._least_enter = min(r.enter for r in (*self._rules, self.rule))

    def _count(self, clips: int) -> None:
        """Count the first ``clips`` clips of the window, which are final, in the budget."""
        if self._budget and self._tally:
            for p, (start, end) in zip(self._seen[0][:clips], self._seen[1][:clips], strict=True):
                self._budget.observe(*self._tally.add(float(p), float(start), float(end)))

    def _slide(self, first: int) -> None:
        """Move the checkpoint past the clips that have left the window; drop spans that ended there."""
        p, bounds, shares = self._seen
        leaving = min(first - self._first, len(p))
        for i in range(leaving):
            self._checkpoint, _ = step(self._checkpoint, p[i], bounds[i], shares[i], self._rules[i])
        self._count(leaving)
        del self._rules[:leaving]
        self._first = first
        if leaving:
            last = float(bounds[leaving - 1, 0])  # as long as the automaton may still hold the span, so must we
            self._reports.forget(last, self.rule.merge_gap_s)

    def _spans(self, settled_s: float) -> list[Span]:
        """Run the automaton over the window; only what lasts long enough counts."""
        state, found = self._checkpoint, []
        for p, bounds, shares, rule in zip(*self._seen, self._rules, strict=True):
            state, done = step(state, p, bounds, shares, rule)
            if done is not None:
                found.append(done)
        if state.candidate is not None:
            found.append(state.candidate)
        self._busy = state.candidate is not None
        pending = [math.inf if state.rise is None or state.active else state.rise]
        pending += [b.start for b in found[-1:] if b is state.candidate and not _lasts(b, self.rule)]
        last = float(self._seen[1][-1, 0]) if len(self._seen[1]) else self.known_until
        self.known_until = min(settled_s, last, *pending)
        return lasting(found, self.event, self.rule, settled_s)


def lasting(found: Sequence[Candidate], event: str, rule: SpanRule, settled_s: float) -> list[Span]:
    """Return the spans that last long enough; those near ``settled_s``, stream seconds, may go on."""
    return [b.span(event, settled_s - b.end <= rule.merge_gap_s) for b in found if _lasts(b, rule)]


def _lasts(found: Candidate, rule: SpanRule) -> bool:
    return found.end - found.start >= rule.min_duration_s - 1e-6


def step(
    state: State, p: float, bounds: F64 | tuple[float, float], shares: F32, rule: SpanRule
) -> tuple[State, Candidate | None]:
    """Read one clip; return the next state, and the span that ended before this clip, if any."""
    start, end, p = float(bounds[0]), float(bounds[1]), float(p)
    done = None
    candidate = state.candidate
    if candidate is not None and start - candidate.end > rule.merge_gap_s:
        done, candidate = candidate, None
        if state.active:  # a gap in time, without low scores in between: the next span needs its own rise
            state = State()
    if p < rule.exit:
        return State(candidate), done
    rise = state.rise if state.rise is not None else start
    if not state.active and p < rule.enter:
        return State(candidate, rise), done
    share = (float(shares[0]), float(shares[1]), float(shares[2]))
    clip = Candidate(rise, end, (p,), share, 1, ((start, p),), rule.enter)
    return State(_joined(candidate, clip) if candidate else clip, rise, True), done


def _joined(a: Candidate, b: Candidate) -> Candidate:
    """Return the span that covers both."""
    return Candidate(
        a.start,
        max(a.end, b.end),
        tuple(sorted((*a.top, *b.top), reverse=True)[:TOP_SCORES]),
        (a.shares[0] + b.shares[0], a.shares[1] + b.shares[1], a.shares[2] + b.shares[2]),
        a.clips + b.clips,
        (*a.track, *b.track)[-TRACK_POINTS:],
        a.threshold,
    )
