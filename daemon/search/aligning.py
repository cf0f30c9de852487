"""What the aligner says of proposals: moments with their bounds and their probability."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from alignment.aligners.base import Aligner
from alignment.search.moments import Aligned, aligned, logit
from alignment.types import EventQuery
from daemon.search.proposing import Proposal
from daemon.search.scoring import Kind
from daemon.search.windows import window_around

# Of many moments that are as good as sure, those are first that are also more alike than others. For objects and sounds
# the proposal says no more than the probability does.
COMPARED = frozenset({Kind.LOOK, Kind.SAID})
TOGETHER = 8  # windows that are read at once: an aligner service reads several in one pass


@dataclass(frozen=True, slots=True)
class Candidate:
    """A moment before it is shown. ``start`` and ``end`` in stream seconds; ``score``: a probability, or a cosine.

    Moments are ordered by ``rank``.
    """

    proposal: Proposal
    start: float
    end: float
    score: float
    peak: float
    rank: float


def align(proposals: Sequence[Proposal], query: EventQuery, aligner: Aligner) -> list[Candidate]:
    """Return the moments of proposals, each scored by the aligner, in the same order."""
    with ThreadPoolExecutor(TOGETHER, "align") as pool:
        return list(pool.map(lambda proposal: _align(proposal, query, aligner), proposals))


def unaligned(proposals: Sequence[Proposal]) -> list[Candidate]:
    """Return proposals as moments, scored by their height."""
    return [Candidate(p, p.start, p.end, p.height, p.peak, p.height) for p in proposals]


def best_of(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates by falling rank, without those that overlap a better one of the same stream."""
    kept: list[Candidate] = []
    for one in sorted(candidates, key=lambda c: -c.rank):
        if not any(_overlap(one, other) for other in kept):
            kept.append(one)
    return kept


def _align(proposal: Proposal, query: EventQuery, aligner: Aligner) -> Candidate:
    window = window_around(proposal)
    (track,) = aligner.begin([query]).score(window, 0)
    found = _reaching(aligned(track, proposal.start, proposal.end), proposal)
    above = proposal.above if proposal.kind in COMPARED else 0.0
    return Candidate(proposal, found.start, found.end, found.score, found.peak, logit(found.score) + above)


def _reaching(found: Aligned, proposal: Proposal) -> Aligned:
    """Return a moment that goes on where its window ends as far as its proposal does."""
    start = min(found.start, proposal.start) if found.open[0] else found.start
    end = max(found.end, proposal.end) if found.open[1] else found.end
    return replace(found, start=start, end=end)


def _overlap(one: Candidate, other: Candidate) -> bool:
    same = one.proposal.shard.info.tape.key == other.proposal.shard.info.tape.key
    return same and one.start < other.end and other.start < one.end
