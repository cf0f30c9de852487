"""Reading of a description by the words of the lexicon: which objects it names, how many, and what more it says.

"two people at the door" names two persons and a door; "a man in a dark hoodie" names a person and says more, which a
detector of persons cannot judge; "nobody on the street" says that no person is seen. Words are read in the language
that explains most of them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from alignment.lexicon import object_words
from workers.queries.modality import seen_content

Role = Literal[
    "class", "count", "crowd", "young", "nobody", "absent", "empty", "road", "door", "place", "neutral", "or", "colour"
]
_LATIN = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_FRENCH = re.compile(r"[^\W_]+(?:-[^\W_]+)*")  # "l'écran" is two words
_HAN = re.compile(r"[\u4e00-\u9fff]")
_LISTS: Mapping[str, Role] = {
    "crowd": "crowd",
    "nobody": "nobody",
    "absent": "absent",
    "empty": "empty",
    "roads": "road",
    "doors": "door",
    "places": "place",
    "presence": "neutral",
    "function": "neutral",
    "or": "or",
}
_VALUED: Mapping[Role, str] = {"colour": "colours", "count": "counts", "class": "classes"}
CROWD = 5
_COMMAS = frozenset(",，、")
PERSON, VEHICLE, ANIMAL = "person", "vehicle", "animal"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a description says. ``rest`` are the words that no list explains.

    ``either``: one of the objects is enough. ``empty``: a place that is not a road is said to be empty. ``number`` and
    ``absent`` may also be of what the lexicon does not know: then there are no ``objects``. ``several``: persons are
    named in the plural, without a number.
    """

    language: str
    objects: tuple[tuple[str, int], ...] = ()  # class, at least how many
    absent: bool = False  # of the objects: none is seen
    road: bool = False
    door: bool = False
    empty: bool = False
    number: int = 1
    either: bool = False
    several: bool = False
    colours: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reader:
    """Collects the roles of a description's words, from left to right."""

    count: int = 1
    absent: bool = False
    empty: bool = False
    either: bool = False
    joined: bool = False  # by "or" or a comma, to the object before
    all_joined: bool = True
    numbered: bool = False
    several: bool = False
    objects: list[tuple[str, int]] = field(default_factory=list)
    colours: list[str] = field(default_factory=list)
    places: set[Role] = field(default_factory=set)
    rest: list[str] = field(default_factory=list)

    def take(self, role: Role | None, value: str, plural: bool = False) -> None:
        self.several |= plural and not self.numbered
        self.numbered = role == "count" or (self.numbered and role == "neutral")
        if role == "class":
            self._add(value, self.count)
            self.count = 1
        elif role == "count":
            self.count = int(value)
        elif role == "crowd":
            self._add(PERSON, CROWD)
        elif role == "young":  # a person whose sex and age only a look could judge
            self._add(PERSON, self.count)
            self.rest.append(value)
        elif role == "nobody":
            self.absent = True
            self._add(PERSON, 1)
        elif role == "absent":
            self.absent = True
        elif role == "empty":
            self.empty = True
        elif role == "or":
            self.either = self.joined = True
        elif role == "colour":
            self.colours.append(value)
        elif role is None:
            self.rest.append(value)
        elif role != "neutral":
            self.places.add(role)

    def _add(self, name: str, count: int) -> None:
        self.all_joined &= self.joined or not self.objects
        self.joined = False
        self.objects.append((name, count))

    def reading(self, language: str) -> Reading:
        objects, absent = list(dict.fromkeys(self.objects)), self.absent
        road, door = "road" in self.places, "door" in self.places
        if self.empty and road:
            objects, absent = [(PERSON, 1), (VEHICLE, 1)], True
        if objects[1:] and objects[0] == (PERSON, CROWD):  # "a crowd of people"
            objects = [o for o in objects if o != (PERSON, 1)]
        empty = self.empty and not road
        if self.either and objects[1:] and not self.all_joined:  # "a person with a dog or a cat" is more than a list
            self.rest.append("or")
        colours, rest = tuple(self.colours), tuple(self.rest)
        either = (
            self.either
            and self.all_joined
            and len(objects) > 1
            and not absent
            and all(count == 1 for _, count in objects)
        )
        places = (road, door, empty)
        return Reading(language, tuple(objects), absent, *places, self.count, either, self.several, colours, rest)


def read(text: str) -> Reading:
    """Return the reading of a description, in the language that explains most of it."""
    content = seen_content(text).casefold()
    languages = ("zh",) if _HAN.search(content) else tuple(x for x in object_words() if x != "zh")
    readings = [_read(content, language) for language in languages]
    return min(readings, key=lambda r: (len(r.rest), not r.objects))


def bare_phrase(text: str, language: str) -> str:
    """Return a description without number, and what only says that it is seen: "candados" of "hay dos candados"."""
    content = seen_content(text)
    if language not in object_words():
        return content
    parts = list(_parts(content, language))
    kept = [i for i, part in enumerate(parts) if part.role not in ("neutral", "count")]
    last = max((i for i in kept if parts[i].role != "place"), default=None)
    return content[parts[kept[0]].start : parts[last].end] if last is not None else content


def _read(content: str, language: str) -> Reading:
    reader, end = _Reader(), 0
    for part in _parts(content, language):
        reader.joined |= not _COMMAS.isdisjoint(content[end : part.start])
        end = part.end
        reader.take(part.role, part.value, content[part.start : end] in _plural_persons(language))
    return reader.reading(language)


@dataclass(frozen=True, slots=True)
class _Part:
    """A phrase of a list, or a word without a role, and its place in the text."""

    role: Role | None
    value: str
    start: int
    end: int


def _parts(content: str, language: str) -> Iterator[_Part]:
    """Yield the longest phrases of a text."""
    phrases = _phrases(language)
    found = list(_words_of(language).finditer(content))
    tokens = [match[0].casefold() for match in found]
    longest, at = _longest(language), 0
    while at < len(tokens):
        sizes = range(min(longest, len(tokens) - at), 0, -1)
        size = next((n for n in sizes if tuple(tokens[at : at + n]) in phrases), 1)
        role, value = phrases.get(tuple(tokens[at : at + size]), (None, tokens[at]))
        yield _Part(role, value, found[at].start(), found[at + size - 1].end())
        at += size


@cache
def _longest(language: str) -> int:
    return max(map(len, _phrases(language)))


def _words_of(language: str) -> re.Pattern[str]:
    return {"zh": _HAN, "fr": _FRENCH}.get(language, _LATIN)


@cache
def _phrases(language: str) -> "Mapping[tuple[str, ...], tuple[Role, str]]":
    """Return the role and value of every phrase of a language, by its tokens."""
    words = object_words()[language]
    lists: list[tuple[Role, str, str]] = [(role, "", words[name]) for name, role in _LISTS.items()]
    lists += [("young", word, word) for word in words["young"].split(", ")]
    for role, name in _VALUED.items():
        lists += [(role, value, text) for value, text in words[name].items()]
    split = _words_of(language).findall
    phrases = [(role, value, phrase) for role, value, text in lists for phrase in text.casefold().split(", ")]
    listed: dict[tuple[str, ...], tuple[Role, str]] = {tuple(split(p)): (role, value) for role, value, p in phrases}
    several = {_plural(p): (role, value) for role, value, p in phrases if role == "class" and language == "en"}
    return {tuple(split(p)): meant for p, meant in several.items()} | listed


@cache
def _plural_persons(language: str) -> frozenset[str]:
    """Return the words for several persons; those of English only, as other languages are read as English ones."""
    if language != "en":
        return frozenset()
    words = object_words()[language]
    listed = {*words["classes"][PERSON].split(", "), *words["young"].split(", ")}
    return frozenset(("people", "children")) | (listed & {_plural(p) for p in listed})


def _plural(phrase: str) -> str:
    """Return the regular plural of an English phrase, and that of men."""
    if phrase.endswith("man"):
        return phrase[:-2] + "en"
    return re.sub(r"(?<=[^aeiou])y$", "ie", phrase) + ("es" if re.search(r"(?:s|x|z|[cs]h)$", phrase) else "s")
