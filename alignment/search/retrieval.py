"""Retrieval of moments of stored video by a description, an image or spoken words.

Every stored row is scored by cosine, in chunks. The best remaining row is extended to a moment while its neighbours
score at least half-way between the median of the store and the peak: the full width at half maximum, which needs no
threshold that depends on the encoder. The slopes of the peak are removed as well (non-maximum suppression), then the
next best row follows.

A day of one camera (86 400 rows of 512 numbers, int8) takes 0.03 s on one core (measured).
"""

import re
from dataclasses import dataclass

import numpy as np

from alignment.aligners.utterances import PAUSE_S
from alignment.errors import FeatureError
from alignment.search.embedding_store import EmbeddingStore, Rows
from alignment.types import F32, Bools, EventQuery

EXTENT = 0.5  # of the way from the median to the peak: rows above it belong to the moment
SHOULDER = 0.25  # rows above it are removed together with the moment
CLIP_GAP_S = 2.5  # clips further apart are not neighbours; at 1 fps one or two frames may be missing
WORD_BOOST = 0.2  # added to the cosine of an utterance that contains all the words


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
    _check_width(rows, query.speech)
    words = set(re.findall(r"\w+", " ".join(query.words).lower()))
    shares = [len(words & set(re.findall(r"\w+", text.lower()))) / max(1, len(words)) for text in store.texts]
    scores = rows.cosines(query.speech) + WORD_BOOST * np.array(shares, np.float32)
    return _moments(store, rows, scores, _joined(rows, PAUSE_S), k, store.texts)


def _seen(store: EmbeddingStore, wanted: F32, k: int) -> tuple[Moment, ...]:
    rows = store.clips
    if not (len(wanted) and len(rows.values)):
        return ()
    _check_width(rows, wanted)
    joined = _joined(rows, CLIP_GAP_S)
    return _moments(store, rows, _smooth(rows.cosines(wanted), joined), joined, k)


def _check_width(rows: Rows, wanted: F32) -> None:
    if wanted.shape[1] != rows.values.shape[1]:
        raise FeatureError(
            f"the query has width {wanted.shape[1]}, the store {rows.values.shape[1]}", "embed both with one encoder"
        )


def _joined(rows: Rows, gap_s: float) -> Bools:
    """Return bool[N - 1]: whether a row and the next are neighbours: of one video, at most ``gap_s`` seconds apart."""
    near = rows.bounds[1:, 0] - rows.bounds[:-1, 1] <= gap_s
    return np.asarray(near & (rows.video[1:] == rows.video[:-1]))


def _smooth(scores: F32, joined: Bools) -> F32:
    """Return the mean of each row and its neighbours, so that one outlier frame makes no moment."""
    total, count = scores.copy(), np.ones(len(scores), np.float32)
    total[1:] += np.where(joined, scores[:-1], 0)
    total[:-1] += np.where(joined, scores[1:], 0)
    count[1:] += joined
    count[:-1] += joined
    return np.asarray(total / count, np.float32)


def _moments(
    store: EmbeddingStore, rows: Rows, scores: F32, joined: Bools, k: int, texts: tuple[str, ...] = ()
) -> tuple[Moment, ...]:
    usual = float(np.median(scores))
    left = scores.copy()
    found: list[Moment] = []
    while len(found) < k:
        peak = int(left.argmax())
        height = float(left[peak])
        if height == -np.inf or (found and height <= usual):
            break
        first, last = _grown(left, joined, peak, usual + EXTENT * (height - usual))
        video, said = store.videos[int(rows.video[peak])], " ".join(texts[first : last + 1])
        found.append(Moment(video, float(rows.bounds[first, 0]), float(rows.bounds[last, 1]), height, said))
        first, last = _grown(left, joined, peak, usual + SHOULDER * (height - usual))
        left[first : last + 1] = -np.inf
    return tuple(found)


def _grown(scores: F32, joined: Bools, peak: int, level: float) -> tuple[int, int]:
    """Return the first and last row around ``peak`` that are joined to it by rows of ``level`` or more."""
    ends = ~joined | (scores[1:] < level) | (scores[:-1] < level)
    before, after = np.flatnonzero(ends[:peak]), np.flatnonzero(ends[peak:])
    return (int(before[-1]) + 1 if len(before) else 0), (peak + int(after[0]) if len(after) else len(scores) - 1)
