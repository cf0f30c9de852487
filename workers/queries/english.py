"""Descriptions in other languages are read as English ones: from there on there is one way for all.

The word lists of the lexicon come first: they know the objects of detectors, counts and sounds in six languages, and
names as they are written there. What they do not explain is read as the nearest phrase of the lexicon, in any language
that the text model knows, where that is near and clearly nearer than any other. What stays unread is never watched.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from alignment.lexicon import things, with_article, wordings
from workers.errors import ModelUnavailable
from workers.queries.language import NONE, OTHER, language_of
from workers.queries.modality import modality_of
from workers.queries.objects import PERSON, Reading, bare_phrase, read
from workers.queries.phrasebook import Nearest, nearest
from workers.queries.sought import UNSURE, VEHICLES, is_unjudged, says_more, vehicle_colour
from workers.queries.wording import NUMBERS, in_words
from workers.types import EventSpec

LIKENESS, MARGIN = 0.9, 0.02  # below: not read
STRICT_LIKENESS = 0.95  # without a known word, and for the bare name of what a detector finds, which may say too little
KEPT = 4096  # texts
KINDS = {  # of the lexicon, by the objects of detectors
    **dict.fromkeys(("car", "vehicle", "truck", "bus"), "a car or truck, a motor vehicle"),
    **dict.fromkeys(("motorcycle", "bicycle"), "a wheeled vehicle"),
    **{"dog": "a dog, a pet", "cat": "a cat, a pet", "bottle": "a bottle", "chair": "a chair or seat"},
}
READ = "describe it in fewer words, or in English, or use `models: {profile: transformers}`"


@dataclass(frozen=True, slots=True)
class English:
    """A description as it is read. ``text`` is English, or words that the lists explain; None: it cannot be read."""

    text: str | None
    problem: str = ""
    remedy: str = ""


def english_spec(spec: EventSpec) -> EventSpec:
    """Return an event with its descriptions in English; those that cannot be read stay as they are written."""
    describe = tuple(english_of(text).text or text for text in spec.describe)
    unlike = tuple(read_as for text in spec.unlike if (read_as := english_of(text).text))
    return replace(spec, describe=describe, unlike=unlike)


@lru_cache(KEPT)
def english_of(text: str) -> English:
    """Return a description in English. Those in English, and those about speech or sounds, stay as they are."""
    language = language_of(text)
    if language == "en" or modality_of(text) != "vision":
        return English(text)
    if language == NONE:
        return English(None, f"{text!r} is in a language that is not understood, and is never reported", READ)
    reading = read(text) if language != OTHER else None
    if reading and (by_words := _by_words(text, language, reading)):
        return English(by_words)
    try:
        (found,) = nearest([bare_phrase(text, language)])
    except ModelUnavailable as error:
        if language == OTHER and text.isascii():
            return English(text)
        return English(None, f"{text!r} is not understood and never reported: {error.message}", error.hint or READ)
    if language == OTHER and text.isascii() and "en" in found.languages:  # "skateboarder"
        return English(text)
    if _is_sure(found, reading):
        number = reading.number if reading and not reading.objects else 1
        return English(_counted(found.english, number))
    if reading and _is_sure_object(reading):  # "eine schwarze Katze auf dem Dach": the frame looks like a black cat
        return English(in_words(reading, reading.colours))
    guess = f" (nearest: {found.english!r})" if found.english else ""
    return English(None, f"{text!r} is not understood{guess}, and is never reported", READ)


def _by_words(text: str, language: str, reading: Reading) -> str | None:
    """Return what the word lists make of a description; None where they do not explain all of it."""
    bare = bare_phrase(text, language)
    named = _named(bare, language)
    if named and " " in bare:  # "sac à dos" before "sac", "coche de policía" before "coche"
        return named
    if is_unjudged(reading):
        return text
    if not reading.objects or reading.rest:
        return named or _coloured(language, reading)
    if vehicle_colour(reading) or not says_more(reading):
        return text
    return in_words(reading, reading.colours)


def _coloured(language: str, reading: Reading) -> str | None:
    """Return what a description names that says a name and colours: "a white horse"."""
    named = _named(("" if language == "zh" else " ").join(reading.rest), language)
    article, _, name = (named or "").partition(" ")
    return f"a {' '.join(reading.colours)} {name}" if reading.colours and article in ("a", "an") else None


def _is_sure(found: Nearest, reading: Reading | None) -> bool:
    """Return whether the nearest phrase says what a description says.

    A description that says more of an object than its name is never answered by the name, nor by another thing.
    """
    likeness = STRICT_LIKENESS if found.named or reading is None else LIKENESS
    if not found.english or found.margin < MARGIN or found.likeness < likeness:
        return False
    if modality_of(found.english) == "speech":
        return False
    objects = {name for name, _ in reading.objects} if reading else set()
    meant = read(found.english)
    if PERSON in objects:
        return PERSON in dict(meant.objects) and says_more(meant)
    return not objects or bool(objects & {*dict(meant.objects), *_objects_of(found.english)})


def _is_sure_object(reading: Reading) -> bool:
    """Return whether a description names only animals and things of which features know more kinds than detectors."""
    names = {name for name, _ in reading.objects}
    return bool(names) and not (reading.absent or reading.empty or names & {PERSON, *VEHICLES, *UNSURE})


@cache
def _objects_of(english: str) -> frozenset[str]:
    """Return which objects of detectors a thing is one of."""
    kinds = {kind for t in things() if with_article(t.name) == english for kind in t.kinds}
    return frozenset(name for name, kind in KINDS.items() if kind in kinds)


def _counted(english: str, number: int) -> str:
    """Return an English text for several things: "two padlocks"."""
    article, _, name = english.partition(" ")
    return f"{NUMBERS[number]} {name}s" if article in ("a", "an") and 1 < number < len(NUMBERS) else english


def _named(text: str, language: str) -> str | None:
    """Return the English text of a name or phrase that is written as in the lexicon, in any of its languages."""
    names = _names()
    return names.get((text.casefold(), language)) or names.get((text.casefold(), ""))


@cache
def _names() -> Mapping[tuple[str, str], str]:
    """Return the English text of each name and phrase by language, and by none."""
    found: dict[tuple[str, str], str] = {}
    for wording in (w for w in wordings() if w.language != "en" and not w.said and "(" not in w.text):
        text = bare_phrase(wording.text, wording.language).casefold()
        found.setdefault((text, wording.language), wording.english)
        found.setdefault((text, ""), wording.english)
    return found
