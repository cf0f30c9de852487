"""The Protocols every aligner fulfils. Implementations: ``similarity`` (calibrated cosine), ``cross_attention``.

``workers/aligners`` chooses between them by name, and nothing else in the pipeline knows which aligner runs.
"""

from collections.abc import Sequence
from typing import Protocol

from alignment.calibration import Rates
from alignment.types import F32, EventQuery, FeatureWindow, ScoreTrack


class Scorer(Protocol):
    """Scores one window, as it slides, against queries that stay."""

    def score(self, window: FeatureWindow, first: int) -> tuple[ScoreTrack, ...]:
        """Return one track a query, in order, each over all clips of ``window``.

        ``first`` is the number of the window's first clip: a clip keeps its number while the window slides.
        """
        ...


class Aligner(Protocol):
    """Scores every clip of a window against every query.

    ``lookahead`` is the number of later clips a clip's score depends on: the last ``lookahead`` clips of a window
    are provisional, and spans are decided on the others. ``rates`` are the false alerts it was measured to give.
    ``name`` tells one that scores otherwise apart.
    """

    name: str
    lookahead: int
    rates: Rates

    def begin(self, queries: Sequence[EventQuery]) -> Scorer:
        """Return a scorer for one window and its whole life; for one thread at a time."""
        ...

    def attend(self, window: FeatureWindow, query: EventQuery) -> F32:
        """Return f32[T, W]: the attention of each clip to the query's words; rows sum to 1, or are 0."""
        ...
