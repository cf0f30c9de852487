"""The lexicon embedded by an encoder, from which synthetic training streams are composed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from alignment.lexicon import scenes, things, topics
from alignment.synthetic.captions import captions, kind_captions, misheard
from alignment.synthetic.streams import Phrase, World
from alignment.types import F32, Modality
from alignment.vectors import unit_rows
from workers.encoders.base import Encoder, TextEncoder
from workers.encoders.remembering import RememberingEncoder
from workers.queries.build import build_query
from workers.queries.keywords import content_words
from workers.queries.modality import said_content, seen_content
from workers.types import EventSpec

SAME = 0.85  # cosine of names from which two things count as the same


@dataclass(frozen=True, slots=True)
class _Draft:
    """A phrase before it is embedded."""

    text: str
    modality: Modality
    of: frozenset[int]
    maybe: frozenset[int] = frozenset()
    unheard: bool = False  # a paraphrase that is not in the encoder's lexicon, as users' own words


def build_world(encoder: Encoder, seed: int = 0) -> World:
    """Embed the lexicon, deterministic for a seed. Takes two minutes with MiniLM on one core."""
    rng = random.Random(seed)
    text = RememberingEncoder(encoder)
    names = [t.name for t in things()]
    captioned = text.encode_text(names)
    shown = encoder.imagine(np.eye(len(names), dtype=np.float32))
    centred = _centred(shown)
    heard = [[misheard(s, s.split(), rng) for s in topic.sentences] for topic in topics()]
    seen = [*_named(text, rng), *_kinds(), *_scenes(len(names))]
    said = [_Draft(d, "speech", frozenset([i])) for i, topic in enumerate(topics()) for d in topic.descriptions]
    text.learn(
        [w for d in seen for w in (seen_content(d.text), *content_words(seen_content(d.text)))],
        [w for d in said for w in (said_content(d.text), *content_words(said_content(d.text)))],
    )
    return World(
        likeness=centred @ centred.T,
        clutter=_centred(text.encode_text([s.caption for s in scenes()]), captioned) @ _centred(captioned).T,
        seen=tuple(_doubted(_phrase(d, text), shown) for d in seen),
        said=tuple(_phrase(d, text) for d in said),
        sentences=tuple(text.encode_sentences(sentences) for sentences in heard),
        words=tuple(tuple(len(s.split()) for s in sentences) for sentences in heard),
        imagine=encoder.imagine,
    )


def _named(encoder: TextEncoder, rng: random.Random) -> Iterator[_Draft]:
    """Yield descriptions of each thing; for things with almost the same name, they count as neither true nor false."""
    rows = encoder.encode_sentences([t.name for t in things()])
    alike = rows @ rows.T >= SAME
    for i, thing in enumerate(things()):
        same = frozenset(np.flatnonzero(alike[i]).tolist()) - {i}
        for text in captions(thing, rng):
            yield _Draft(text, "vision", frozenset([i]), same, unheard=text in thing.paraphrases and rng.random() < 0.5)


def _kinds() -> Iterator[_Draft]:
    """Yield descriptions of each kind of thing."""
    for kind in dict.fromkeys(k for t in things() for k in t.kinds):
        members = frozenset(i for i, t in enumerate(things()) if kind in t.kinds)
        for text in kind_captions(kind):
            yield _Draft(text, "vision", members)


def _scenes(first: int) -> Iterator[_Draft]:
    """Yield descriptions of scenes, numbered from ``first``."""
    for i, scene in enumerate(scenes(), first):
        for text in (scene.caption, *scene.paraphrases):
            yield _Draft(text, "vision", frozenset([i]))


def _phrase(draft: _Draft, encoder: TextEncoder) -> Phrase:
    query = build_query(EventSpec(draft.text, (draft.text,), modalities=(draft.modality,)), encoder)
    if draft.unheard:
        query = replace(query, likeness=encoder.likeness([seen_content(draft.text)], query.vision, told=False))
    return Phrase(query, draft.of, draft.maybe)


def _doubted(phrase: Phrase, shown: F32) -> Phrase:
    """Return a phrase for several things, with things more similar to it than half of them as ``maybe``."""
    if len(phrase.of) < 2:
        return phrase
    fit = (shown @ phrase.query.vision.T).max(axis=1)
    close = np.flatnonzero(fit >= np.median(fit[list(phrase.of)]))
    return replace(phrase, maybe=frozenset(close.tolist()) - phrase.of)


def _centred(rows: F32, around: F32 | None = None) -> F32:
    """Return rows minus a mean (default: their own), with unit length."""
    return unit_rows(rows - (rows if around is None else around).mean(axis=0))
