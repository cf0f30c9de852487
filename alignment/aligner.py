"""The Protocol every aligner fulfils. Implementations: ``similarity`` (calibrated cosine).

The cross-attention aligner comes beside it as ``model.py``; ``workers/aligners`` chooses between them by name,
and nothing else in the pipeline knows which aligner runs.
"""

from collections.abc import Sequence
from typing import Protocol

from alignment.types import EventQuery, FeatureWindow, ScoreTrack


class Aligner(Protocol):
    """Scores every clip of a window against every query.

    ``lookahead`` is the number of later clips a clip's score depends on: the last ``lookahead`` clips of a window
    are provisional, and spans are decided on the others.
    """

    name: str
    lookahead: int

    def align(self, window: FeatureWindow, queries: Sequence[EventQuery]) -> tuple[ScoreTrack, ...]:
        """Return one track a query, in order, each over all clips of ``window``."""
        ...
