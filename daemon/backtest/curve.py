"""How many events each threshold would have given: counted on the final probabilities, as a budget counts them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from alignment.aligners.base import Aligner, Scorer
from alignment.personal.scorer import Heads, PersonalScorer
from alignment.spans.budget import LevelTally
from alignment.spans.tracker import SpanRule
from alignment.types import F32, F64, EventQuery, FeatureWindow, ScoreTrack
from daemon.backtest.types import Tally

LEVELS = np.array([*np.arange(0.3, 0.951, 0.05), 0.97, 0.99])  # lower ones mean nothing: no table has measured them


class TallyingAligner:
    """Scores by an aligner and ``heads``, and counts what each of ``LEVELS`` would have given of its one query.

    Clips whose middle lies before stream second ``since`` do not count.
    """

    def __init__(self, aligner: Aligner, rule: SpanRule, since: float, heads: Heads) -> None:
        self.name, self.lookahead, self.rates = aligner.name, aligner.lookahead, aligner.rates
        self._aligner, self._rule, self._since, self._heads = aligner, rule, since, heads
        self._scorers: list[_TallyingScorer] = []

    def begin(self, queries: Sequence[EventQuery]) -> Scorer:
        """Return a scorer of the next segment."""
        if not queries:  # before the rule is armed
            return self._aligner.begin(queries)
        rule = self._rule
        counter = LevelTally(LEVELS, rule.exit_ratio, rule.min_duration_s, rule.merge_gap_s)
        scorer = PersonalScorer(self._aligner.begin(queries), self._heads)
        self._scorers.append(_TallyingScorer(scorer, counter, self._since))
        return self._scorers[-1]

    def attend(self, window: FeatureWindow, query: EventQuery) -> F32:
        """Return the aligner's attention."""
        return self._aligner.attend(window, query)

    def tally(self) -> Tally:
        """Return what was counted, up to the end of all segments."""
        return sum((scorer.finish() for scorer in self._scorers), no_tally())


@dataclass(slots=True)
class _TallyingScorer:
    scorer: Scorer
    counter: LevelTally
    since: float
    counts: F64 = field(default_factory=lambda: np.zeros(len(LEVELS)))
    seconds: float = 0.0
    first: int = 0
    p: F32 = field(default_factory=lambda: np.zeros(0, np.float32))  # of the last window
    bounds: F64 = field(default_factory=lambda: np.zeros((0, 2)))

    def score(self, window: FeatureWindow, first: int) -> tuple[ScoreTrack, ...]:
        """Return the tracks of the scorer; count the clips that have left the window."""
        tracks = self.scorer.score(window, first)
        self._count(first - self.first)
        self.first, self.p, self.bounds = first, tracks[0].p, window.bounds
        return tracks

    def finish(self) -> Tally:
        """Count the rest; return the counts of the segment."""
        self._count(len(self.p))
        self.p = self.p[:0]
        return Tally(LEVELS, self.counts + self.counter.finish(), self.seconds / 3600)

    def _count(self, clips: int) -> None:
        for p, (start, end) in zip(self.p[:clips].tolist(), self.bounds[:clips].tolist(), strict=True):
            if start + end >= 2 * self.since:
                seconds, done = self.counter.add(p, start, end)
                self.seconds += seconds
                if done is not None:
                    self.counts += done


def no_tally() -> Tally:
    """Return a tally of nothing."""
    return Tally(LEVELS, np.zeros(len(LEVELS)))
