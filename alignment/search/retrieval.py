"""Retrieval of moments of recorded videos by a description, an image or spoken words, by cosine alone.

Every stored row is scored (``scan``), and the best rows grow to moments (``peaks``). `watchword eval` measures it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from alignment.aligners.utterances import PAUSE_S
from alignment.search.embedding_store import EmbeddingStore, Rows
from alignment.search.peaks import joined_rows, peaks, smooth, usual
from alignment.search.scan import best_products
from alignment.search.wording import WORD_BOOST, shares_of_words
from alignment.types import F32, Bools, EventQuery

CLIP_GAP_S = 2.5  # clips further apart are not neighbours; at 1 fps one or two frames may be missing


@dataclass(frozen=True, slots=True)
class Moment:
    """An interval of one video, stream seconds. ``text``: what is said in it, for searches in speech."""

    video: str
    start: float
    end: float
    score: float
    text: str = ""


def text_to_moments(store: EmbeddingStore, query: EventQuery, k: int = 10) -> tuple[Moment, ...]:
    """Return the ``k`` moments that best show the description, the best first."""
    return _seen(store, query.vision, k)


def image_to_moments(store: EmbeddingStore, image: F32, k: int = 10) -> tuple[Moment, ...]:
    """Return the ``k`` moments most similar to an image f32[D], embedded like frames."""
    return _seen(store, image[None], k)


def words_to_moments(store: EmbeddingStore, query: EventQuery, k: int = 10) -> tuple[Moment, ...]:
    """Return the ``k`` moments in which this is said; meaning and literal words both count."""
    rows = store.said
    if not (len(query.speech) and len(rows.values)):
        return ()
    shares = shares_of_words(store.texts, query.words)
    scores = best_products(rows.values, rows.scale, query.speech) + WORD_BOOST * shares
    return _moments(store, rows, scores, joined_rows(rows.bounds, rows.video, PAUSE_S), k, store.texts)


def _seen(store: EmbeddingStore, wanted: F32, k: int) -> tuple[Moment, ...]:
    rows = store.clips
    if not (len(wanted) and len(rows.values)):
        return ()
    joined = joined_rows(rows.bounds, rows.video, CLIP_GAP_S)
    return _moments(store, rows, smooth(best_products(rows.values, rows.scale, wanted), joined), joined, k)


def _moments(
    store: EmbeddingStore, rows: Rows, scores: F32, joined: Bools, k: int, texts: Sequence[str] = ()
) -> tuple[Moment, ...]:
    found = islice(peaks(scores, joined, usual(scores).height), k)
    return tuple(
        Moment(
            store.videos[int(rows.video[peak.row])],
            float(rows.bounds[peak.first, 0]),
            float(rows.bounds[peak.last, 1]),
            peak.height,
            " ".join(texts[peak.first : peak.last + 1]),
        )
        for peak in found
    )
