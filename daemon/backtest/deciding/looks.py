"""What the aligner makes of the look of all clips of a segment: computed at once, and read as a network's session."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from alignment.aligners.base import Scorer
from alignment.aligners.trained.incremental import AlignerInfo, Logits, SlidingScorer, WindowDelta
from alignment.calibration import SimilarityCalibration
from alignment.types import F32, Bools, EventQuery, FeatureWindow
from daemon.backtest.deciding.flat import I64, FlatStream, SegmentClips
from daemon.backtest.deciding.memory import KnownLooks, ShardLooks
from workers.services.clients import AlignerClient, result_of
from workers.types import Areas

CONTEXT = 2 * 75 + 2  # clips on which the output of one depends; a test holds it to the network
CHUNK = 600  # clips of a request: cameras wait for it no longer than for a pass


@dataclass(slots=True)
class NetworkLooks:
    """The network's logits of the clips of one segment, computed where they are asked for and not known from before."""

    client: AlignerClient
    query: EventQuery
    stream: FlatStream
    clips: SegmentClips
    before: KnownLooks
    on_clips: Callable[[float], None]  # so many more were read
    areas: Areas = ()  # the zone that is looked at; nothing: the whole frame
    logits: F32 = field(init=False)
    known: Bools = field(init=False)

    def __post_init__(self) -> None:
        self.logits = np.zeros(len(self.clips.t), np.float32)
        self.known = np.zeros(len(self.clips.t), bool)
        for clips, rows, shard in self._lasting():
            self.logits[clips], self.known[clips] = shard.logits[rows], shard.known[rows]

    def remember(self) -> None:
        """Keep what is known of clips on which a later look depends in the same way."""
        for clips, rows, shard in self._lasting():
            shard.logits[rows], shard.known[rows] = self.logits[clips], self.known[clips]

    def _lasting(self) -> Iterator[tuple[slice, slice, ShardLooks]]:
        """Yield of each shard the clips whose logits depend on it and those beside it only, and their rows in it."""
        if self.clips.later is None:
            return
        stream, end = self.stream, len(self.clips.t) - 1
        begins = stream.frame_offsets - self.clips.frame_of[0]  # numbers of clips
        for k, part in enumerate(stream.parts):
            first, last = max(0, int(begins[max(0, k - 1)])) + CONTEXT, min(end, int(begins[k + 1]))
            first = max(first, int(begins[k]))
            if first < last:
                row = stream.rows[k][0] - int(begins[k])
                beside = stream.parts[max(0, k - 1)].shard, stream.parts[min(k + 1, len(stream.parts) - 1)].shard
                yield slice(first, last), slice(row + first, row + last), self.before.of(part.shard, *beside)

    def __call__(self, wanted: I64) -> F32:
        """Return the probabilities of clips by the look of their frames."""
        self.compute(wanted)
        return np.asarray(1 / (1 + np.exp(-self.logits[wanted])), np.float32)

    def compute(self, wanted: I64) -> None:
        """Compute the logits of clips that are not known, and of those between them that the network reads anyway."""
        missing = wanted[~self.known[wanted]]
        for some in np.split(missing, 1 + np.flatnonzero(np.diff(missing) > CONTEXT)):
            if len(some):
                self._read(int(some[0]), int(some[-1]) + 1)

    def _read(self, first: int, end: int) -> None:
        for begin in range(first, end, CHUNK):
            stop = min(begin + CHUNK, end)
            lead, after = max(0, begin - CONTEXT), min(len(self.clips.t), stop + 1)
            frames, mask = self.stream.features(self.clips.frame_of[lead:after], self.areas)
            found = result_of(self.client.look(self.query, frames, mask), "aligner")
            fresh = int((~self.known[begin:stop]).sum())
            self.logits[begin:stop], self.known[begin:stop] = found[begin - lead : stop - lead], True
            self.on_clips(fresh)


@dataclass(slots=True)
class CosineLooks:
    """An upper bound of what the aligner `similarity` makes of the look of clips: the contrast only lowers it."""

    query: EventQuery
    calibration: SimilarityCalibration
    stream: FlatStream
    clips: SegmentClips
    areas: Areas = ()

    def __call__(self, wanted: I64) -> F32:
        """Return the bounds: of a clip and its neighbours, over which cosines are smoothed, the highest."""
        best = np.full(len(self.clips.t) + 2, -1.0, np.float32)
        for begin in range(0, len(self.clips.t), 16 * CHUNK):
            some = slice(begin, min(begin + 16 * CHUNK, len(self.clips.t)))
            frames, mask = self.stream.features(self.clips.frame_of[some], self.areas)
            cosines = (frames @ self.query.vision.T).max(axis=1, initial=-1.0)
            best[1 + some.start : 1 + some.stop] = np.where(mask, cosines, -1.0)
        around = np.maximum(np.maximum(best[:-2], best[1:-1]), best[2:])
        return self.calibration.vision(around[wanted])


class PreparedAligner:
    """The trained aligner whose network has looked at all clips. ``origin``: the clip with which a segment begins.

    ``looks``: of the segment; None: the look has no say.
    """

    def __init__(self, client: AlignerClient) -> None:
        self.origin = 0
        self.looks: NetworkLooks | None = None
        self.info: AlignerInfo = client.info()
        self.name, self.lookahead, self.rates = self.info.name, self.info.lookahead, self.info.rates
        self._client = client

    def prepare(self, first: int, end: int) -> None:
        """Look at clips ``first`` to before ``end``, the first of which begins a segment."""
        self.origin = first
        if self.looks is not None:
            self.looks.compute(np.arange(first, end))

    def begin(self, queries: Sequence[EventQuery]) -> Scorer:
        """Return a scorer of the segment that begins with clip ``origin``."""
        return SlidingScorer(queries, _Prepared(self.looks, self.origin), self.info)

    def attend(self, window: FeatureWindow, query: EventQuery) -> F32:
        """Return the network's attention."""
        return result_of(self._client.attend(window, query), "aligner")


@dataclass(frozen=True, slots=True)
class _Prepared:
    """``Network`` of one segment. Without ``looks`` the look has no say."""

    looks: NetworkLooks | None
    origin: int

    def read(self, window: WindowDelta, first: int) -> Logits:
        """Return the logits that were computed."""
        begin, end = self.origin + first, self.origin + window.at + len(window.mask)
        seen = np.zeros(end - begin, np.float32)
        if self.looks is not None:
            last = min(end, len(self.looks.logits))  # what comes behind is provisional
            self.looks.compute(np.arange(begin, last))
            seen[: last - begin] = self.looks.logits[begin:last]
        said = None if window.speech is None else np.zeros((1, len(window.speech)), np.float32)
        return Logits(seen[None], said)
