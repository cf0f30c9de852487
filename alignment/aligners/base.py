"""The protocols of aligners. Implementations: ``similarity`` (calibrated cosine), ``cross_attention``.

``workers/services/aligner_options`` chooses one by name; the pipeline knows these protocols only.
"""

from collections.abc import Sequence
from typing import Protocol

from alignment.calibration import Rates
from alignment.types import F32, EventQuery, FeatureWindow, ScoreTrack


class Scorer(Protocol):
    """Scores one sliding window against fixed queries."""

    def score(self, window: FeatureWindow, first: int) -> tuple[ScoreTrack, ...]:
        """Return one track a query, in order, each over all clips of ``window``.

        ``first`` is the number of the window's first clip: a clip keeps its number while the window slides.
        """
        ...


class Aligner(Protocol):
    """Scores every clip of a window against every query.

    ``lookahead`` is the number of later clips a clip's score depends on: the last ``lookahead`` clips of a window
    are provisional, and spans are decided on the others. ``rates``: the measured false-alert rates by threshold.
    ``name`` identifies how it scores; saved budgets of another name are not used.
    """

    name: str
    lookahead: int
    rates: Rates

    def begin(self, queries: Sequence[EventQuery]) -> Scorer:
        """Return a scorer for one sliding window; one thread at a time may use it."""
        ...

    def attend(self, window: FeatureWindow, query: EventQuery) -> F32:
        """Return f32[T, W]: the attention of each clip to the query's words; rows sum to 1, or are 0."""
        ...
