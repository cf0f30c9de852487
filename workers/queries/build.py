"""From a description in natural language to a query for the aligner: modality, content, embeddings.

"footage of a padlock" describes a visible padlock; "someone says that the pencils have all been used" describes
speech and is compared as "the pencils have all been used"; "music is playing" describes a sound event.
"""

from dataclasses import replace

import numpy as np

from alignment.lexicon import animal_kinds
from alignment.types import F32, MODALITIES, EventQuery, Modality
from workers.encoders.base import TextEncoder
from workers.queries.english import english_of, english_spec
from workers.queries.keywords import content_words
from workers.queries.modality import modality_of, said_content, seen_content
from workers.queries.sought import NEVER, Sought, look_of, sought_objects, within_zone
from workers.queries.sounds import sound_weights
from workers.queries.topics import with_examples
from workers.types import EventSpec


def build_query(spec: EventSpec, encoder: TextEncoder, detects: bool = False) -> EventQuery:
    """Return ``spec`` as embeddings of ``encoder``: one row per paraphrase in each of its modalities.

    If ``spec.modalities`` is None, the wording of each paraphrase decides; a modality without paraphrases has neither
    rows nor prior. ``detects``: the profile has a detector of objects, and its other models know English only; what
    cannot be read as English is never reported.
    """
    if detects:
        spec = english_spec(spec)
    about = {m: [text for text in spec.describe if m in modalities_of(text, spec)] for m in MODALITIES}
    seen, said = about["vision"], about["speech"]
    unlike = spec.unlike if said else ()
    sought = [_sought(text) if detects else None for text in seen]
    sought = [within_zone(s) if s and spec.zones else s for s in sought]
    look = look_of if detects else seen_content
    looks = [s.look if s else look(text) for s, text in zip(sought, seen, strict=True)]
    seen_rows = encoder.encode_text(looks)
    said_rows = encoder.encode_sentences([said_content(text) for text in said])
    words = content_words(looks[0] if looks else said_content(said[0]) if said else spec.describe[0])
    against = [text for text in map(seen_content, spec.unlike) if text not in looks] if seen else []
    animals = any(counted.kinds for s in sought if s for counted in s.query.wanted)
    return EventQuery(
        event=spec.name,
        vision=seen_rows,
        vision_unlike=encoder.encode_text(against),
        speech=with_examples(said_rows) if detects else said_rows,
        speech_unlike=encoder.encode_sentences([said_content(text) for text in unlike]),
        sound=sound_weights(about["sound"]),
        prior=np.array([float(bool(about[m])) for m in MODALITIES], np.float32),
        words=words,
        vision_words=encoder.encode_text(words if seen else ()),
        speech_words=encoder.encode_sentences(words if said else ()),
        vocabulary=encoder.vocabulary,
        likeness=encoder.likeness(looks, seen_rows),
        objects=tuple(s.query if s else None for s in sought),
        animals=_animals(encoder.vocabulary if animals else encoder.vocabulary[:0]),
    )


def _animals(names: F32) -> F32:
    """Return f32[A, D]: the mean name of each kind of animal, as a unit row; none of no names."""
    if not len(names):
        return names
    rows = np.stack([names[list(of)].mean(axis=0) for of in animal_kinds().values()])
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _sought(text: str) -> Sought | None:
    return sought_objects(text) if english_of(text).text else Sought(NEVER, seen_content(text))


def without_vocabulary(query: EventQuery) -> EventQuery:
    """Return a query without its vocabulary (over 1 MB), which only the network's process needs."""
    return replace(query, vocabulary=query.vocabulary[:0])


def modalities_of(text: str, spec: EventSpec) -> tuple[Modality, ...]:
    """Return the modalities of one paraphrase: the configured ones, else those of its wording."""
    return spec.modalities or (modality_of(text),)
