"""The search: the index proposes, the aligner scores, and what other models recorded is said to be unsearchable."""

import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from daemon.captions.store import CaptionStore
from daemon.search.aligning import Candidate, align, best_of, unaligned
from daemon.search.described import described, merged
from daemon.search.evidence import EvidenceFinder
from daemon.search.filters import Filter
from daemon.search.proposing import propose
from daemon.search.reading import Judge, SearchQuery, read_description, read_event, read_image
from daemon.search.request import SearchError, SearchRequest
from daemon.search.results import Found, Moment, Unsearchable
from workers.events.event import Event
from workers.index.reader import IndexReader
from workers.index.shard import Shard
from workers.index.thumbnails import picture_at
from workers.index.types import TapeInfo
from workers.publish.log.view import LogView
from workers.services.aligner_options import build_aligner
from workers.services.clients import AlignerClient, EncoderClient

PROPOSED = 32  # moments of each kind that the aligner reads
WAIT_S = 20.0  # for another search to end
TEXT = 300  # characters of what is said in a moment


class SearchBusy(SearchError):
    """Another search takes long."""

    code = "search_busy"
    retryable = True
    remedy = "search again in a moment"


@dataclass(frozen=True, slots=True)
class SearchModels:
    """What a search asks of the models. ``judge`` says how a description is read; ``network`` None: cosines only."""

    encoder: EncoderClient
    network: AlignerClient | None
    judge: Judge


class SearchEngine:
    """Searches one index, ``captions``, and finds events of ``log``; one search at a time. From any thread."""

    def __init__(self, index: IndexReader, log: LogView, captions: CaptionStore) -> None:
        self._index, self._log, self._captions = index, log, captions
        self._working, self._reading = threading.Lock(), threading.Lock()

    def search(
        self,
        request: SearchRequest,
        models: SearchModels,
        evidence: EvidenceFinder,
        visible: Collection[str] | None = None,
    ) -> Found:
        """Return the best moments; ``visible``: the cameras that may be known of, None: all.

        Raise ``SearchError``, and what the models raise.
        """
        if not self._working.acquire(timeout=WAIT_S):
            raise SearchBusy("another search takes long")
        try:
            began = time.perf_counter()
            found = self._search(request, models, evidence, visible)
            return replace(found, seconds=time.perf_counter() - began)
        finally:
            self._working.release()

    def tape_of(self, camera: str, key: str) -> TapeInfo | None:
        """Return what is known of a recorded stream; None if it is not in the index."""
        return next((s.info.tape for s in self._shards({camera}) if s.info.tape.key == key), None)

    def thumbnail(self, camera: str, key: str, t: float) -> bytes | None:
        """Return the thumbnail of a stream at a stream second as JPEG; None if there is none, or none any more."""
        with self._reading:
            shards = [*self._index.shards({camera}, t, t)]
        found = (picture_at(shard, t) for shard in shards if shard.info.tape.key == key)
        return next((picture for picture in found if picture is not None), None)

    def _shards(self, cameras: Collection[str] | None) -> list[Shard]:
        with self._reading:
            return [*self._index.shards(cameras)]

    def _search(
        self, request: SearchRequest, models: SearchModels, evidence: EvidenceFinder, visible: Collection[str] | None
    ) -> Found:
        encoder = models.encoder.describe().info.id
        cameras = _both(request.cameras, visible)
        event = self._event(request.like, visible) if request.like is not None else None
        known = self._shards(visible if event is not None else cameras)
        usable = [shard for shard in known if shard.info.tape.encoder == encoder]
        asked = _query(request, models, event, usable)
        wanted = [s for s in known if (cameras is None or s.info.camera in cameras) and asked.restricted.admits(s)]
        searched = [shard for shard in wanted if shard.info.tape.encoder == encoder]
        by_camera = [[*shards] for _, shards in groupby(searched, key=lambda s: s.info.camera)]
        most = max(PROPOSED, request.limit)
        proposals = propose(by_camera, asked.query, asked.query.words, asked.restricted, most)
        if asked.described:
            calibration = models.encoder.describe().calibration
            candidates = align(proposals, asked.query, build_aligner(calibration, models.network))
        else:
            candidates = unaligned(proposals)
        hours_of = defaultdict[str, float](float)
        for shard in searched:
            hours_of[shard.info.camera] += asked.restricted.hours(shard)
        tapes = {shard.info.tape.key: shard.info.tape for shard in known}
        by_caption = described(request, cameras, self._captions, tapes, evidence)
        seen = [_moment(c, evidence) for c in best_of(candidates)[: request.limit]]
        return Found(
            tuple(merged(by_caption, seen)[: request.limit]),
            asked.read_as,
            asked.warnings,
            tuple(_unsearchable((s for s in wanted if s.info.tape.encoder != encoder), asked.restricted)),
            hours=sum(hours_of.values()),
            hours_of=dict(hours_of),
            probable=asked.described,
        )

    def _event(self, event_id: str, visible: Collection[str] | None) -> Event:
        records = self._log.revisions(event_id)
        if not records or (visible is not None and records[-1].event.camera not in visible):
            raise SearchError(f"there is no event {event_id} in the event log", "the log keeps about a week")
        return records[-1].event


def _query(request: SearchRequest, models: SearchModels, event: Event | None, shards: Sequence[Shard]) -> SearchQuery:
    if event is not None:
        return read_event(request, event, shards, models.encoder)
    if request.image is not None:
        return read_image(request, models.encoder)
    return read_description(request, models.encoder, models.judge)


def _both(one: Collection[str] | None, other: Collection[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        chosen = other if one is None else one
        return None if chosen is None else frozenset(chosen)
    return frozenset(one) & frozenset(other)


def _moment(found: Candidate, evidence: EvidenceFinder) -> Moment:
    shard = found.proposal.shard
    tape = shard.info.tape
    shown = evidence.shown(found)
    said = " ".join(u.text.strip() for u in shard.utterances if u.start_s < found.end and u.end_s > found.start)
    return Moment(
        camera=tape.camera,
        key=tape.key,
        file=tape.file.file if tape.file else None,
        live=tape.live,
        start=round(found.start, 3),
        end=round(found.end, 3),
        peak=round(found.peak, 3),
        score=round(found.score, 4),
        by=found.proposal.kind.value,
        said=said[:TEXT],
        caption=shown.event.caption.text if shown.event and shown.event.caption else "",
        start_unix=round(found.start, 3) if tape.live else None,
        end_unix=round(found.end, 3) if tape.live else None,
        event=shown.event.id if shown.event else None,
        picture=shown.picture,
        plays=shown.plays,
        upload=shown.upload,
        thumbnail=shown.thumbnail,
    )


def _unsearchable(shards: Iterable[Shard], restricted: Filter) -> Iterable[Unsearchable]:
    """Yield one entry for each camera and model."""

    def key(shard: Shard) -> tuple[str, str]:
        return shard.info.camera, shard.info.tape.encoder

    for (camera, encoder), part in groupby(sorted(shards, key=key), key=key):
        group = [*part]
        times = [(s.start, s.end) if s.info.tape.live else (s.info.tape.recorded, s.info.tape.recorded) for s in group]
        since, until = min(start for start, _ in times), max(end for _, end in times)
        yield Unsearchable(camera, encoder, sum(map(restricted.hours, group)), since, until)
