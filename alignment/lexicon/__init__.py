"""The lexicon: a thousand things, scenes and topics of speech for text-only training, and the sounds that can be heard.

``things.json`` follows the order of ImageNet's classes (Russakovsky et al. 2015); its descriptions, ``kinds.json``
(each kind with the ranges of its members), ``scenes.json`` and ``topics.json`` were written for this project, and so
were the words of ``sounds.json``; its classes are those of AudioSet (Gemmeke et al. 2017) in YAMNet's order.
``names.json`` names the things and their kinds in five other languages, ``phrases.json`` says in six what people write
of persons, actions, scenes and speech.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

ANIMALS = 398  # the first of the thousand things; what follows is no animal


@dataclass(frozen=True, slots=True)
class Thing:
    """A named thing. ``gloss`` describes its look; ``paraphrases`` describe it without its name."""

    name: str
    gloss: str
    paraphrases: tuple[str, ...]
    synonyms: tuple[str, ...]
    kinds: tuple[str, ...]  # the most general first


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene of people and actions, which the name of a thing cannot describe."""

    caption: str
    paraphrases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of speech: sentences that people say, and descriptions of such speech."""

    sentences: tuple[str, ...]
    descriptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sound:
    """A kind of sound that descriptions name, in several languages.

    ``words`` by language are phrases that mean the sound itself ("barking"); ``things`` make it, and mean the sound
    only in a description about hearing ("a dog is heard"). A phrase is a set of words; a word that ends with ``*`` is
    the beginning of one. ``threshold`` is the probability of one of its ``classes`` from which it counts as heard.
    """

    name: str
    classes: tuple[str, ...]
    threshold: float
    words: Mapping[str, tuple[str, ...]] = field(hash=False)
    things: Mapping[str, tuple[str, ...]] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Wording:
    """A text in a language, and the English text that it is read as; "" for what nothing can judge ("my brother").

    A remark in parentheses says which meaning of a word is meant: "Löffler (Vogel)" is no spoon. ``said``: it describes
    speech.
    """

    text: str
    language: str
    english: str
    said: bool = False


@cache
def sounds() -> tuple[Sound, ...]:
    """Return the sounds that descriptions can name."""
    return tuple(
        Sound(
            r["name"], tuple(r["classes"]), r.get("threshold", 0.3), _phrases(r["words"]), _phrases(r.get("things", {}))
        )
        for r in _load("sounds.json")["sounds"]
    )


@cache
def sound_classes() -> tuple[str, ...]:
    """Return the names of the classes of sound, in the order of the columns of ``FeatureWindow.sound``."""
    return tuple(_load("sounds.json")["classes"])


@cache
def things() -> tuple[Thing, ...]:
    """Return the thousand things."""
    rows = _load("things.json")
    kinds: list[list[str]] = [[] for _ in rows]
    for kind, ranges in _load("kinds.json").items():
        for part in ranges.split():
            first, _, last = part.partition("-")
            for i in range(int(first), int(last or first) + 1):
                kinds[i].append(kind)
    return tuple(
        Thing(r["name"], r["gloss"], tuple(r["paraphrases"]), tuple(r["synonyms"]), tuple(k))
        for r, k in zip(rows, kinds, strict=True)
    )


@cache
def animal_kinds() -> dict[str, tuple[int, ...]]:
    """Return the kinds of animals, each with the numbers of the things that are of it."""
    members: dict[str, list[int]] = {}
    for i, thing in enumerate(things()[:ANIMALS]):
        for kind in thing.kinds:
            members.setdefault(kind, []).append(i)
    return {kind: tuple(of) for kind, of in members.items()}


@cache
def scenes() -> tuple[Scene, ...]:
    """Return the scenes."""
    return tuple(Scene(r["caption"], tuple(r["paraphrases"])) for r in _load("scenes.json"))


@cache
def topics() -> tuple[Topic, ...]:
    """Return the topics."""
    return tuple(Topic(tuple(r["sentences"]), (*r["descriptions"], *r["paraphrases"])) for r in _load("topics.json"))


@cache
def object_words() -> dict[str, dict[str, Any]]:
    """Return by language the words by which a description names what detectors know: lists separated by commas."""
    words: dict[str, dict[str, Any]] = _load("objects.json")
    return words


@cache
def wordings() -> tuple[Wording, ...]:
    """Return the names of things and kinds, and phrases, in six languages."""
    names, phrases = _load("names.json"), _load("phrases.json")
    rows = [Wording(text, "en", with_article(t.name)) for t in things() for text in (t.name, *t.synonyms)]
    rows += [Wording(part, "en", kind) for kind in names["kinds"] for part in kind.split(", ")]
    rows += [Wording(text, "en", text, group == "said") for group in ("seen", "said") for text in phrases[group]]
    english = {with_article(name): cells for name, cells in names["things"].items()}
    english |= names["kinds"] | phrases["seen"] | phrases["said"]
    for meaning, cells in (*english.items(), *(("", cells) for cells in phrases["unknown"].values())):
        rows += _translated(names["languages"], cells, meaning, meaning in phrases["said"])
    return tuple(rows)


def with_article(name: str) -> str:
    """Return a name with its English article."""
    return f"{'an' if name[0].casefold() in 'aeiou' else 'a'} {name}"


def _translated(languages: list[str], cells: list[str], english: str, said: bool) -> Iterator[Wording]:
    for language, cell in zip(languages, cells, strict=True):
        yield from (Wording(text, language, english, said) for text in cell.split(", "))


def _phrases(by_language: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
    return {language: tuple(phrases.split(", ")) for language, phrases in by_language.items()}


def _load(name: str) -> Any:
    return json.loads(resources.files("alignment.lexicon").joinpath(name).read_text("utf-8"))
