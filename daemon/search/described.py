"""Moments by the words of their captions."""

from collections.abc import Collection, Sequence
from heapq import merge

from daemon.captions.store import CaptionStore
from daemon.captions.types import Described
from daemon.search.evidence import EvidenceFinder
from daemon.search.request import SearchRequest
from daemon.search.results import Moment
from workers.index.types import TapeInfo
from workers.queries.keywords import content_words

BY = "described"
SAME_SHARE = 0.5  # of the time that two moments take together: from there on they are one


def described(
    request: SearchRequest,
    cameras: Collection[str] | None,
    captions: CaptionStore,
    tapes: dict[str, TapeInfo],
    evidence: EvidenceFinder,
) -> list[Moment]:
    """Return the moments whose caption has most words of the description; their share of them is the score.

    None where something else is asked for: pictures, speech, objects. ``tapes``: of the index, by their keys.
    """
    if not request.text.strip() or request.spoken or request.classes or request.words.strip():
        return []
    words = content_words(request.text)
    found = captions.find(words, cameras, request.since, request.until, request.limit)
    return [_moment(one, share, tapes.get(one.key), evidence) for one, share in found]


def merged(described: Sequence[Moment], seen: Sequence[Moment]) -> list[Moment]:
    """Return both by falling score; of two that are the same the first."""
    kept: list[Moment] = []
    for moment in merge(described, seen, key=lambda one: -one.score):
        if not any(_same(moment, other) for other in kept):
            kept.append(moment)
    return kept


def _moment(found: Described, share: float, tape: TapeInfo | None, evidence: EvidenceFinder) -> Moment:
    shown = evidence.of_event(found.event_id, tape)
    live = found.file is None
    return Moment(
        camera=found.camera,
        key=found.key,
        file=found.file,
        live=live,
        start=found.start,
        end=found.end,
        peak=(found.start + found.end) / 2,
        score=round(share, 4),
        by=BY,
        said="",
        caption=": ".join(filter(None, (found.title, found.text))),
        start_unix=found.start if live else None,
        end_unix=found.end if live else None,
        event=found.event_id,
        picture=shown.picture,
        plays=shown.plays,
        upload=shown.upload,
    )


def _same(one: Moment, other: Moment) -> bool:
    shared = min(one.end, other.end) - max(one.start, other.start)
    return one.key == other.key and shared > SAME_SHARE * (max(one.end, other.end) - min(one.start, other.start))
