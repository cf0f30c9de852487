"""The nearest English text to a description in another language, by the meaning of whole sentences.

The book holds what people write in six languages beside the English text that it is read as: names of things, phrases,
words of objects and sounds. Embedding it takes two minutes, so its rows are shipped (4 MB, one byte a number).
``python -m workers.queries.phrasebook`` writes them anew after a change of the lexicon; a test compares them.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alignment.lexicon import Sound, Wording, object_words, sounds, things, with_article, wordings
from alignment.types import F32
from workers.encoders.sentences.e5 import embed
from workers.errors import ModelUnavailable
from workers.queries.sounds import heard_sounds

FILE = "phrasebook.safetensors"
_STEPS = 127


@dataclass(frozen=True, slots=True)
class Nearest:
    """The English text of the most similar wording; "" where nothing can judge what it means.

    ``likeness`` is its cosine, ``margin`` how much less the nearest wording of something else has: neither the same,
    nor a kind of it. ``named``: it is the bare name of what a detector finds.
    """

    english: str
    likeness: float
    margin: float
    languages: frozenset[str]
    named: bool = False


@dataclass(frozen=True, slots=True)
class _Book:
    texts: tuple[str, ...]
    english: tuple[str, ...]
    languages: tuple[frozenset[str], ...]
    rows: F32


def nearest(texts: Sequence[str]) -> tuple[Nearest, ...]:
    """Return the nearest wording of each text; raise ``ModelUnavailable``."""
    book = _book()
    likeness = embed(texts) @ book.rows.T
    return tuple(_nearest(row, book) for row in likeness)


def _nearest(likeness: F32, book: _Book) -> Nearest:
    best = int(likeness.argmax())
    english = book.english[best]
    others = likeness[np.array([not _are_kin(english, e) for e in book.english])]
    named = english in _classes().values()
    return Nearest(english, float(likeness[best]), float(likeness[best] - others.max()), book.languages[best], named)


def _are_kin(one: str, other: str) -> bool:
    """Return whether two English texts are the same, or a thing and one of its kinds."""
    return one == other or other in _kinds().get(one, ()) or one in _kinds().get(other, ())


@cache
def _kinds() -> dict[str, tuple[str, ...]]:
    return {with_article(thing.name): thing.kinds for thing in things()}


def entries() -> tuple[Wording, ...]:
    """Return the wordings of the book."""
    return (*wordings(), *_objects(), *_sounds())


def _objects() -> Iterator[Wording]:
    for language, words in object_words().items():
        for name, phrases in words["classes"].items():
            yield from (Wording(text, language, _classes()[name]) for text in phrases.split(", "))


def _sounds() -> Iterator[Wording]:
    for sound in sounds():
        for language, phrases in sound.words.items():
            yield from (Wording(p.replace("*", ""), language, _in_english(sound)) for p in phrases)


@cache
def _in_english(sound: Sound) -> str:
    """Return a description that means a sound."""
    texts = (f"the sound of {name}" for name in (sound.name, *sound.words["en"]) if "*" not in name)
    return next(text for text in texts if sound in heard_sounds(text))


@cache
def _classes() -> dict[str, str]:
    return {name: with_article(name) for name in object_words()["en"]["classes"]}


@cache
def _unique() -> dict[tuple[str, str], set[str]]:
    """Return the languages of each pair of text and English text, in order."""
    pairs: dict[tuple[str, str], set[str]] = {}
    for entry in entries():
        pairs.setdefault((entry.text, entry.english), set()).add(entry.language)
    return pairs


def _digest(pairs: dict[tuple[str, str], set[str]]) -> str:
    return hashlib.sha256("\n".join(text for text, _ in pairs).encode()).hexdigest()


def _book() -> _Book:
    """Read the book; it is not kept, because few descriptions need it, and every stream has a process of its own."""
    from safetensors import SafetensorError, safe_open

    pairs = _unique()
    try:
        with resources.as_file(resources.files("workers.queries").joinpath(FILE)) as path, safe_open(path, "np") as f:
            if f.metadata()["texts"] != _digest(pairs):
                raise ModelUnavailable(f"{FILE} is of another lexicon", "python -m workers.queries.phrasebook")
            rows = f.get_tensor("rows").astype(np.float32)
    except (OSError, SafetensorError) as error:
        raise ModelUnavailable(f"the phrases of other languages cannot be read: {error}", "install again") from error
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    texts, english = zip(*pairs, strict=True)
    return _Book(texts, english, tuple(map(frozenset, pairs.values())), rows)


def steps(rows: F32) -> "NDArray[np.int8]":
    """Return unit rows in whole steps, i8[N, 384]."""
    return np.asarray(np.rint(rows / np.abs(rows).max(axis=1, keepdims=True) * _STEPS), np.int8)


def main() -> None:
    """Write the file beside this module."""
    from safetensors.numpy import save_file

    pairs = _unique()
    rows = steps(embed([text for text, _ in pairs]))
    save_file({"rows": rows}, Path(__file__).with_name(FILE), {"texts": _digest(pairs)})


if __name__ == "__main__":
    main()
