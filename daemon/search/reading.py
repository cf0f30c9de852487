"""From a request to a query: what is described is read as events are; images and events become rows to compare with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np

from alignment.lexicon import with_article
from alignment.search.wording import words_of
from alignment.types import F32, SOUND_CLASSES, EventQuery, Modality
from daemon.offline.pictures import load_picture
from daemon.search.filters import Filter, Interval
from daemon.search.request import SearchError, SearchRequest
from workers.detectors.classes import NAMES
from workers.events.event import Event
from workers.index import rounding
from workers.index.shard import Shard
from workers.queries.judging import Judgement
from workers.services.clients import EncoderClient, result_of
from workers.types import EventSpec

NAME = "search"
Judge = Callable[[EventSpec], Sequence[Judgement]]
MOST_ROWS = 5  # of an event's frames that others are compared with
BESIDE_S = 2.0  # what lies so near to an event is the event


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A query and what it is restricted to. ``described``: an aligner can score it; rows of images only order."""

    query: EventQuery
    restricted: Filter
    described: bool
    read_as: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_description(request: SearchRequest, encoder: EncoderClient, judge: Judge) -> SearchQuery:
    """Return the query of a description; without one, that of its classes or words."""
    spec = _spec(request)
    judged = judge(spec)
    (query,) = encoder.build_queries([spec])
    warnings = tuple(j.remark for j in judged if j.remark)
    return SearchQuery(query, _filter(request), True, tuple(j.read_as for j in judged), warnings)


def read_image(request: SearchRequest, encoder: EncoderClient) -> SearchQuery:
    """Return the query of an image file; raise ``SourceInvalid`` if it is none."""
    assert request.image is not None
    frame = load_picture(BytesIO(request.image), encoder.describe().frame_spec, "the image")
    row = result_of(encoder.encode_frames(frame[None]), "encoder")
    return SearchQuery(_compared(vision=row), _filter(request), False)


def read_event(request: SearchRequest, event: Event, shards: Sequence[Shard], encoder: EncoderClient) -> SearchQuery:
    """Return the query of what is like an event: of its frames or, where it was heard, of what was said.

    An event that is a sound is searched by its description. Raise ``SearchError`` if the index does not have its time.
    """
    shares = {name: event.modalities.get(name, 0.0) for name in ("vision", "speech", "sound")}
    most = max(shares, key=lambda name: shares[name])
    key = event.segment.rpartition("/")[0]
    restricted = _filter(request, Interval(key, event.start - BESIDE_S, event.end + BESIDE_S))
    own = [s for s in shards if s.info.tape.key == key and s.end >= event.start and s.start <= event.end]
    if most == "sound":
        (query,) = encoder.build_queries([EventSpec(NAME, event.description, modalities=("sound",))])
        return SearchQuery(query, restricted, True)
    rows = _said_rows(own, event) if most == "speech" else _seen_rows(own, event)
    if not len(rows):
        raise SearchError(
            f"the index does not have the time of event {event.id}",
            "it was off then, or has removed that time by now (`retention.index`), or the model is another one",
        )
    return SearchQuery(_compared(**{most: rows}), restricted, False)


def _spec(request: SearchRequest) -> EventSpec:
    modalities: tuple[Modality, ...] | None = ("speech",) if request.spoken else None
    if text := request.text.strip():
        return EventSpec(NAME, (text,), modalities=modalities)
    if request.classes:
        return EventSpec(NAME, tuple(with_article(name) for name in request.classes), modalities=("vision",))
    return EventSpec(NAME, (request.words.strip(),), modalities=("speech",))


def _filter(request: SearchRequest, without: Interval | None = None) -> Filter:
    classes = tuple(NAMES.index(name) for name in request.classes)
    return Filter(request.since, request.until, classes, words_of(request.words), without)


def _compared(vision: F32 | None = None, speech: F32 | None = None) -> EventQuery:
    none = np.zeros((0, 0), np.float32)
    prior = np.array([vision is not None, speech is not None, False], np.float32)
    rows = [none if part is None else part for part in (vision, speech)]
    return EventQuery(NAME, rows[0], none, rows[1], none, np.zeros(SOUND_CLASSES, np.float32), prior)


def _seen_rows(shards: Sequence[Shard], event: Event) -> F32:
    """Return the features of the event's most probable frames."""
    within = [t for t, _ in event.evidence.top_frames if event.start <= t <= event.end]
    surest = within or [(event.start + event.end) / 2]
    rows = [_nearest(shard, t) for t in surest[:MOST_ROWS] for shard in shards if shard.start <= t <= shard.end]
    return (
        np.concatenate([np.zeros((0, rows[0].shape[1]), np.float32), *rows]) if rows else np.zeros((0, 0), np.float32)
    )


def _nearest(shard: Shard, t: float) -> F32:
    """Return the feature f32[1, D] of the frame nearest to stream second ``t``; no row where it has none."""
    if not len(shard.t):
        return np.zeros((0, shard.frames.shape[1]), np.float32)
    i = int(np.abs(shard.t - t).argmin())
    row = rounding.rows_of(shard.frames[i : i + 1], shard.scale[i : i + 1])
    return row[np.isfinite(row).all(axis=1)]


def _said_rows(shards: Sequence[Shard], event: Event) -> F32:
    """Return the features of what was said in the event."""
    rows = []
    for shard in shards:
        columns = shard.columns
        within = (columns["said_end"] > event.start) & (columns["said_start"] < event.end)
        rows.append(rounding.rows_of(shard.speech[within], shard.speech_scale[within]))
    return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)
