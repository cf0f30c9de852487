"""Words for a thousand things, for scenes and for topics: what text-only training knows of the world.

``things.json`` follows the order of ImageNet's classes (Russakovsky et al. 2015); its descriptions, ``kinds.json``
(each kind with the ranges of its members), ``scenes.json`` and ``topics.json`` were written for this project.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Thing:
    """Something with a name. ``gloss`` tells what it looks like, ``paraphrases`` are for users who do not name it."""

    name: str
    gloss: str
    paraphrases: tuple[str, ...]
    synonyms: tuple[str, ...]
    kinds: tuple[str, ...]  # the most general first


@dataclass(frozen=True, slots=True)
class Scene:
    """People and actions that no name of a thing tells."""

    caption: str
    paraphrases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """What people talk about: what they say, and how one would describe that they do."""

    sentences: tuple[str, ...]
    descriptions: tuple[str, ...]


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
def scenes() -> tuple[Scene, ...]:
    """Return the scenes."""
    return tuple(Scene(r["caption"], tuple(r["paraphrases"])) for r in _load("scenes.json"))


@cache
def topics() -> tuple[Topic, ...]:
    """Return the topics."""
    return tuple(Topic(tuple(r["sentences"]), (*r["descriptions"], *r["paraphrases"])) for r in _load("topics.json"))


def _load(name: str) -> Any:
    return json.loads(resources.files("alignment.lexicon").joinpath(name).read_text("utf-8"))
