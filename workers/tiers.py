"""The events of one epoch that are equally important, scored and tracked together.

A stream whose hops take too long scores its less important events only now and then. The window keeps what they need
meanwhile, so they are decided late but as they would have been, and no span ends for want of a score.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from alignment.aligner import Aligner
from alignment.explaining import Explanation, explain
from alignment.spans import SpanTracker
from alignment.types import MODALITIES, FeatureWindow, ScoreTrack, Span, SpanChange
from workers.watch import Watch

SPEECH = MODALITIES.index("speech")
MAX_PUT_OFF = 15  # hops; a window has 75 clips


@dataclass(frozen=True, slots=True)
class Hop:
    """A window to decide on. ``first``: number of its first clip; ``decided``: how many clips are final enough.

    Nothing new is to come before ``seen_s`` (pictures) and ``said_s`` (speech), stream seconds.
    """

    window: FeatureWindow
    first: int
    decided: int
    seen_s: float
    said_s: float


class Tier:
    """Some events of a ``Watch``, by their places in it."""

    def __init__(self, watch: Watch, places: Sequence[int], aligner: Aligner) -> None:
        self._queries = [watch.queries[i] for i in places]
        self._trackers = [
            SpanTracker(q.event, watch.rules[i], watch.budgets.get(q.event))
            for i, q in zip(places, self._queries, strict=True)
        ]
        self._aligner, self._scorer = aligner, aligner.begin(self._queries)
        self._latest: tuple[FeatureWindow, tuple[ScoreTrack, ...]]
        self._put_off = 0
        self.scores: dict[str, float] = {}  # of the last decided clip

    def put_off(self) -> bool:
        """Leave out a hop; return False if too many have been left out already."""
        self._put_off += 1
        return self._put_off <= MAX_PUT_OFF

    def advance(self, hop: Hop) -> list[SpanChange]:
        """Score the window and let every tracker read it."""
        self._put_off = 0
        changes: list[SpanChange] = []
        tracks = self._scorer.score(hop.window, hop.first)
        self._latest = (hop.window, tracks)
        for query, tracker, track in zip(self._queries, self._trackers, tracks, strict=True):
            settled = min(hop.seen_s, hop.said_s) if query.prior[SPEECH] > 0 else hop.seen_s
            changes += tracker.update(track, hop.first, hop.decided, settled)
            self.scores[query.event] = float(track.p[hop.decided - 1]) if hop.decided else 0.0
        return changes

    def finish(self) -> list[SpanChange]:
        """Close every span: the epoch has ended."""
        return [c for t in self._trackers for c in t.finish()]

    def explain(self, span: Span) -> Explanation | None:
        """Return why one of the latest changes' spans was reported; None: its event is none of these."""
        for i, query in enumerate(self._queries):
            if query.event == span.event:
                window, tracks = self._latest
                return explain(window, query, tracks[i], span, self._aligner)
        return None


def build_tiers(watch: Watch, aligner: Aligner, live: bool) -> list[Tier]:
    """Return the tiers of a stream's events, the most important first; a file has one, for it is never behind."""
    places = range(len(watch.queries))
    if not (live and watch.priorities):
        return [Tier(watch, places, aligner)]
    levels = sorted({*watch.priorities}, reverse=True)
    return [Tier(watch, [i for i in places if watch.priorities[i] == level], aligner) for level in levels]
