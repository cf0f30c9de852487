"""Scores of all rows of one shard for a query: by look, by detected objects, by sound, by what was said."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from alignment.search.proposals import StoredObjects, seen_scores
from alignment.search.scan import best_products
from alignment.search.wording import WORD_BOOST, shares_of_words
from alignment.types import F32, F64, MODALITIES, EventQuery
from daemon.search.filters import Filter
from workers.index.shard import Shard

VISION, SPEECH, SOUND = range(len(MODALITIES))


class Kind(Enum):
    """By what a row is proposed."""

    LOOK = "look"
    OBJECTS = "objects"
    HEARD = "heard"
    SAID = "said"


@dataclass(frozen=True, slots=True)
class Rows:
    """Scored rows of one shard: start and end f64[R] in stream seconds, scores f32[R]; minus infinity: not allowed."""

    start: F64
    end: F64
    scores: F32


def score_shard(shard: Shard, query: EventQuery, words: Sequence[str], restricted: Filter) -> dict[Kind, Rows]:
    """Return the scored rows of each kind that the query is about; ``words`` count literally in what was said."""
    found: dict[Kind, Rows] = {}
    tape = shard.info.tape
    if query.prior[VISION] and len(query.vision) and len(shard.t):
        half = tape.hop_s / 2
        seen = seen_scores(shard.frames, shard.scale, _objects(shard) if tape.detects else None, query)
        start, end = shard.t - half, shard.t + half
        allowed = restricted.allowed(shard, start, end)
        for kind, scores in ((Kind.LOOK, seen.look), (Kind.OBJECTS, seen.objects)):
            if np.isfinite(scores).any():
                found[kind] = Rows(start, end, np.where(allowed, scores, np.float32(-np.inf)))
    if query.prior[SOUND] and query.sound.any():
        sounds = shard.sounds
        weights = query.sound[sounds.classes]
        asked = weights > 0
        scores = (sounds.p * weights)[asked].astype(np.float32)
        found[Kind.HEARD] = _rows(shard, sounds.start[asked], sounds.end[asked], scores, restricted)
    if query.prior[SPEECH] and len(query.speech) and len(shard.speech):
        columns, texts = shard.columns, [u.text for u in shard.utterances]
        scores = best_products(shard.speech, shard.speech_scale, query.speech)
        scores = np.nan_to_num(scores + WORD_BOOST * shares_of_words(texts, words), nan=-np.inf)
        found[Kind.SAID] = _rows(shard, columns["said_start"], columns["said_end"], scores, restricted)
    return found


def _rows(shard: Shard, start: F64, end: F64, scores: F32, restricted: Filter) -> Rows:
    return Rows(start, end, np.where(restricted.allowed(shard, start, end), scores, np.float32(-np.inf)))


def _objects(shard: Shard) -> StoredObjects:
    columns = shard.columns
    colours = np.asarray(columns["object_colours"] / np.float32(255), np.float32)
    return StoredObjects(columns["objects"], columns["object_class"], columns["object_logit"], colours)
