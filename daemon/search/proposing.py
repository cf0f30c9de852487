"""Proposals: what a query fits best by look, objects, sounds or words, of all shards, the best first."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from heapq import merge
from itertools import islice

import numpy as np

from alignment.aligners.utterances import PAUSE_S
from alignment.search.peaks import Usual, joined_rows, peaks, smooth, usual
from alignment.search.retrieval import CLIP_GAP_S
from alignment.types import F32, Bools, EventQuery
from daemon.search.filters import Filter
from daemon.search.scoring import Kind, Rows, score_shard
from workers.index.shard import Shard

THREADS = 2
SMOOTHED = (Kind.LOOK, Kind.OBJECTS)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A stretch of one camera that may be a moment. ``shards``: those of its camera in order; ``at``: its own.

    Times are stream seconds; ``peak`` is that of the best row, ``height`` its score, and ``above`` by how many standard
    deviations that is above what is usual in all that is searched.
    """

    kind: Kind
    shards: Sequence[Shard]
    at: int
    start: float
    end: float
    peak: float
    height: float
    above: float

    @property
    def shard(self) -> Shard:
        """Return the shard of the best row."""
        return self.shards[self.at]


def propose(
    cameras: Sequence[Sequence[Shard]], query: EventQuery, words: Sequence[str], restricted: Filter, most: int
) -> list[Proposal]:
    """Return at most ``most`` proposals of each kind, the highest of each kind first.

    ``cameras``: the shards of each camera, in order of time and of one encoder; ``words`` count literally in speech.
    """
    with ThreadPoolExecutor(THREADS, "search") as pool:
        jobs = [[pool.submit(score_shard, s, query, words, restricted) for s in shards] for shards in cameras]
        scored = [[job.result() for job in row] for row in jobs]
        found: list[Proposal] = []
        for kind in Kind:
            lines = list(pool.map(partial(_Line.of, kind), cameras, scored))
            known = usual(np.concatenate([np.zeros(0, np.float32), *(line.known for line in lines)]))
            best = merge(*(line.proposals(known) for line in lines), key=lambda proposal: -proposal.height)
            found += islice(best, most)
    return _without_repeated(found)


def _without_repeated(proposals: Sequence[Proposal]) -> list[Proposal]:
    """Return the proposals without those whose best row lies in an earlier one of the same stream."""
    kept: list[Proposal] = []
    for one in proposals:
        key = one.shard.info.tape.key
        if not any(p.start <= one.peak <= p.end and p.shard.info.tape.key == key for p in kept):
            kept.append(one)
    return kept


@dataclass(frozen=True, slots=True)
class _Line:
    """The N rows of one kind of one camera, one shard behind the other. ``first`` i64[S + 1]: where each shard begins.

    ``joined`` bool[N - 1]: whether a row and the next are neighbours; ``smoothed`` f32[N]: the scores that have peaks.
    """

    kind: Kind
    shards: Sequence[Shard]
    first: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    rows: Rows
    joined: Bools
    smoothed: F32

    @classmethod
    def of(cls, kind: Kind, shards: Sequence[Shard], scored: Sequence[dict[Kind, Rows]]) -> "_Line":
        """Return the line of a camera's shards."""
        none = np.zeros(0)
        rows = [scores.get(kind, Rows(none, none, np.zeros(0, np.float32))) for scores in scored]
        lengths = [len(r.scores) for r in rows]
        line = Rows(
            np.concatenate([none, *(r.start for r in rows)]),
            np.concatenate([none, *(r.end for r in rows)]),
            np.concatenate([np.zeros(0, np.float32), *(r.scores for r in rows)]),
        )
        parts = list(_parts(shards, kind, lengths))
        part = np.concatenate([np.zeros(0, np.int32), *parts])
        gap_s = PAUSE_S if kind is Kind.SAID else CLIP_GAP_S
        joined = joined_rows(np.stack([line.start, line.end], axis=1), part, gap_s)
        smoothed = smooth(line.scores, joined) if kind in SMOOTHED else line.scores
        first = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(kind, shards, first, line, joined, smoothed)

    @property
    def known(self) -> F32:
        """Return the scores of the rows that may be found."""
        return self.rows.scores[np.isfinite(self.rows.scores)]

    def proposals(self, known: Usual) -> Iterator[Proposal]:
        """Yield the proposals of this line, the highest first."""
        rows = self.rows
        for peak in peaks(self.smoothed, self.joined, known.height):
            at = int(np.searchsorted(self.first, peak.row, "right")) - 1
            middle = float(rows.start[peak.row] + rows.end[peak.row]) / 2
            start, end = float(rows.start[peak.first]), float(rows.end[peak.last])
            above = known.above(peak.height)
            yield Proposal(self.kind, self.shards, at, start, end, middle, peak.height, above)


def _parts(
    shards: Sequence[Shard], kind: Kind, lengths: Sequence[int]
) -> "Iterator[np.ndarray[tuple[int], np.dtype[np.int32]]]":
    """Yield of each shard the numbers of the unbroken stretches of its rows: those of a stream go on in the next."""
    base, last, key = 0, 0, ""
    for shard, length in zip(shards, lengths, strict=True):
        if shard.info.tape.key != key:
            base, last, key = base + last + 1, 0, shard.info.tape.key
        part = shard.segment if kind in SMOOTHED and length else np.zeros(length, np.int32)
        last = max(last, int(part.max(initial=0)))
        yield base + part
