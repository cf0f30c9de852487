"""From a description in plain words to what an aligner compares: modality, content, embeddings.

"footage of a padlock" is about a padlock; "someone says that the pencils have all been used" is about what is said,
and is compared with the words, without the frame around them; "music is playing" is about what is heard.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from alignment.types import F32, MODALITIES, SOUND_TAGS, EventQuery, Modality
from workers.encoders.base import TextEncoder
from workers.types import EventSpec
from workers.wording import heard_tags, modality_of, said_content, seen_content
from workers.words import content_words


def build_query(spec: EventSpec, encoder: TextEncoder) -> EventQuery:
    """Return ``spec`` as embeddings of ``encoder``: one row a paraphrase in each space that the event is about.

    Where ``spec.modalities`` is None, each paraphrase's wording chooses; a modality no paraphrase is about has
    neither rows nor prior.
    """
    about = {m: [text for text in spec.describe if m in modalities_of(text, spec)] for m in MODALITIES}
    seen, said = about["vision"], about["speech"]
    unlike = spec.unlike if said else ()
    seen_rows = encoder.encode_text([seen_content(text) for text in seen])
    words = content_words(seen_content(seen[0]) if seen else said_content(said[0]) if said else spec.describe[0])
    against = [*map(seen_content, spec.unlike), *encoder.background] if seen else []
    return EventQuery(
        event=spec.name,
        vision=seen_rows,
        vision_unlike=encoder.encode_text(against),
        speech=encoder.encode_sentences([said_content(text) for text in said]),
        speech_unlike=encoder.encode_sentences([said_content(text) for text in unlike]),
        sound=_sound(about["sound"]),
        prior=np.array([float(bool(about[m])) for m in MODALITIES], np.float32),
        words=words,
        vision_words=encoder.encode_text(words if seen else ()),
        speech_words=encoder.encode_sentences(words if said else ()),
        vocabulary=encoder.vocabulary,
        likeness=encoder.likeness(seen_rows),
    )


def without_vocabulary(query: EventQuery) -> EventQuery:
    """Return a query as streams get it: the vocabulary, of a megabyte and more, stays beside the network."""
    return replace(query, vocabulary=query.vocabulary[:0])


def modalities_of(text: str, spec: EventSpec) -> tuple[Modality, ...]:
    """Return the modalities one paraphrase is about: the configured ones, or what its wording says."""
    return spec.modalities or (modality_of(text),)


def query_warnings(spec: EventSpec, profile: str) -> tuple[str, ...]:
    """Return what people should know about an event of an encoder profile before they rely on it; empty if nothing."""
    deaf = [t for t in spec.describe if "sound" in modalities_of(t, spec) and not heard_tags(t)]
    known = ", ".join(SOUND_TAGS)
    warnings = [
        f"event {spec.name!r}: {text!r} cannot be heard (only {known} are); it will not be detected by sound"
        for text in deaf
    ]
    compared = [t for t in spec.describe if modalities_of(t, spec) != ("sound",)]
    if profile == "lite":
        warnings += [
            f"event {spec.name!r}: lite understands English only, not {text!r}" for text in compared if not _latin(text)
        ]
    return tuple(warnings)


def _latin(text: str) -> bool:
    return all(unicodedata.name(c, "LATIN").startswith("LATIN") for c in text if c.isalpha())


def _sound(texts: Sequence[str]) -> F32:
    """Return f32[K]: 1 for each of ``SOUND_TAGS`` that any of the descriptions is about."""
    tags = frozenset[str]().union(*map(heard_tags, texts))
    return np.array([float(tag in tags) for tag in SOUND_TAGS], np.float32)
