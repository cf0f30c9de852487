"""From the reading of a description to what is asked of a detector.

A description that says no more than a detector can judge is decided by the detector, for most vehicles, animals and
things also by the features of frames. One that says more about persons or vehicles needs both: the object, and features
that agree. A negation that no detector can judge is never reported: features would find the opposite.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from alignment.lexicon import animal_kinds, object_words
from alignment.types import DETECTED_COLOURS, Counted, ObjectQuery
from workers.detectors.classes import CLASSES, NAMES
from workers.queries.modality import seen_content
from workers.queries.objects import ANIMAL, PERSON, VEHICLE, Reading, read

# What a word of the lexicon may be to a detector, which takes vans and pickups for cars.
MEMBERS: Mapping[str, tuple[str, ...]] = {
    "car": ("car", "truck", "bus", "vehicle"),
    VEHICLE: ("car", "truck", "bus", "motorcycle", "vehicle"),
    ANIMAL: ("dog", "cat"),
    "truck": ("truck", "car", "bus", "vehicle"),
    "bicycle": ("bicycle", "motorcycle"),
    "tv": ("screen",),
}
VEHICLES = frozenset({"car", "bus", "truck", "motorcycle", VEHICLE})
UNSURE = frozenset(c.name for c in CLASSES if not c.reliable)
NOT_BY_LOOK = frozenset({PERSON, "motorcycle"})  # by the features of frames, cars and shaking roads are motorcycles
MOVING = frozenset({"car", "bus", "motorcycle", "dog", "cat", VEHICLE, ANIMAL})


@dataclass(frozen=True, slots=True)
class Sought:
    """What one description asks of a detector, and the description of the look that the frames' features judge."""

    query: ObjectQuery
    look: str


KINDS = {"dog": "a dog, a pet", "cat": "a cat, a pet"}  # which of ``animal_kinds`` an animal of the detectors is
EASE = 1.5  # of the logit of a class that the detectors are rarely sure of
NEVER = ObjectQuery((Counted(()),))


def sought_objects(text: str) -> Sought | None:
    """Return what a description asks of a detector; None: it is for the features of frames alone."""
    reading = read(text)
    if is_unjudged(reading):
        return Sought(NEVER, seen_content(text))
    if not reading.objects:
        return None
    if colour := vehicle_colour(reading):
        ((name, count),) = reading.objects
        counted = Counted(_numbers(name), count, DETECTED_COLOURS.index(colour))
        return Sought(ObjectQuery((counted,)), seen_content(text))
    return _attributed(text, reading) if says_more(reading) else _plain(text, reading)


def within_zone(sought: Sought) -> Sought:
    """Return what is asked in a zone: there a look alone is no sign of an object, but confirms a faint one.

    A look does not say where a thing stands, and the look of a part of a street is too often that of a car.
    """
    if sought.query.frames != "either" or sought.query.absent:
        return sought
    return replace(sought, query=replace(sought.query, frames="confirm"))


def look_of(text: str) -> str:
    """Return what a frame must look like, without the place: "a package" of "a package at the door".

    A place is not judged, and would be found instead: every frame of a door looks like a door.
    """
    content = seen_content(text)
    while (shorter := _place().sub("", content)) not in ("", content):
        content = shorter
    return content


@cache
def _place() -> re.Pattern[str]:
    words = object_words()["en"]
    places = "|".join(re.escape(p) for kind in ("doors", "roads", "places") for p in words[kind].split(", "))
    before = "in|at|on|near|by|beside|behind|inside|outside|in front of|next to"
    return re.compile(rf"\s+(?:{before})\s+(?:(?:the|an?|my|our|your)\s+)?(?:{places})\W*$", re.I)


def _plain(text: str, reading: Reading) -> Sought:
    """Return what is asked where a description says no more than a detector can judge."""
    names = [name for name, _ in reading.objects]
    wanted = _wanted(reading)
    look = _look(*(name for name in names if name != PERSON), either=reading.either) or seen_content(text)
    place = _numbers(VEHICLE) if (reading.road or reading.door) and not VEHICLES & {*names} else ()
    if reading.absent and names != [PERSON]:  # an empty road: nothing on it that looks like a vehicle either
        road = _numbers(VEHICLE) if reading.road else ()
        return Sought(ObjectQuery(wanted, True, "either", _numbers(PERSON), road), look)
    if reading.absent:
        return Sought(ObjectQuery(wanted, absent=True), look)
    if not NOT_BY_LOOK.isdisjoint(names):
        return Sought(ObjectQuery(wanted, place=place, elsewhere=bool(place) and reading.door), look)
    veto = _numbers(PERSON) if {*names} <= MOVING else ()
    return Sought(ObjectQuery(wanted, frames="either", veto=veto), look)


def says_more(reading: Reading) -> bool:
    """Return whether a description says more than a detector can judge."""
    return bool(reading.rest or reading.colours or unsure_objects(reading))


def unsure_objects(reading: Reading) -> list[str]:
    """Return the objects of which detectors are rarely sure, as far as a description depends on them."""
    unsure = [name for name, _ in reading.objects if name in UNSURE]
    return [] if reading.either and len(unsure) < len(reading.objects) else unsure


def is_unjudged(reading: Reading) -> bool:
    """Return whether nothing can judge a description: a place said to be empty, or what no detector finds absent.

    Rooms, porches and yards look too much alike, with people in them and without.
    """
    return reading.empty or (reading.absent and (not reading.objects or says_more(reading)))


def vehicle_colour(reading: Reading) -> str | None:
    """Return the colour of a vehicle, where a description says no more than that and a box shows it; else None.

    Black, white and grey are no use: windows, shade and tyres look alike.
    """
    plain = not (reading.rest or reading.absent) and len(reading.objects) == len(reading.colours) == 1
    judged = plain and reading.objects[0][0] in VEHICLES and reading.colours[0] in DETECTED_COLOURS
    return reading.colours[0] if judged else None


def _attributed(text: str, reading: Reading) -> Sought | None:
    """Return what is asked where a description says more than a detector can judge.

    None for animals and things that a detector is sure of: features know more kinds of them.
    """
    names = {name for name, _ in reading.objects}
    if not names & ({PERSON} | VEHICLES | UNSURE):
        return None
    wanted = tuple(_several(counted) if reading.several else counted for counted in _wanted(reading))
    return Sought(ObjectQuery(wanted, frames="both"), look_of(text))


def _several(counted: Counted) -> Counted:
    """Return what is asked of persons that a description with more to say names in the plural.

    One person is no sign of "students in a classroom"; but "people" alone is asked for by who means anybody.
    """
    return replace(counted, count=max(counted.count, 2)) if counted.classes == _numbers(PERSON) else counted


def _wanted(reading: Reading) -> tuple[Counted, ...]:
    """Return the objects that must all be seen; one of any of the classes where one object is enough."""
    names = [name for name, _ in reading.objects]
    if reading.either:
        numbers = {n for name in names for n in _numbers(name)}
        kinds = _kinds(names) if {*names} <= {*KINDS} else ()
        return (Counted(tuple(sorted(numbers)), ease=EASE if unsure_objects(reading) else 0.0, kinds=kinds),)
    return tuple(
        Counted(
            _numbers(name), count, ease=EASE if name in UNSURE else 0.0, kinds=_kinds(names) if name in KINDS else ()
        )
        for name, count in reading.objects
    )


def _kinds(names: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers of the kinds of all animals that a description names: where both are, each is one of them."""
    every = list(animal_kinds())
    return tuple(every.index(KINDS[name]) for name in names if name in KINDS)


def _numbers(name: str) -> tuple[int, ...]:
    """Return the numbers of the classes that count as what a word of the lexicon names."""
    return tuple(NAMES.index(member) for member in MEMBERS.get(name, (name,)))


def _look(*names: str, either: bool = False) -> str:
    """Return an English description of objects, whatever the language of the description."""
    return (" or " if either else " and ").join(f"{'an' if name[0] in 'aeiou' else 'a'} {name}" for name in names)
