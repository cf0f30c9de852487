"""What descriptions are read as, in the six languages of the lexicon."""

import pytest

from alignment.lexicon import object_words
from workers.queries.objects import Reading, read


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ("a person", (("person", 1),)),
        ("There is a woman in the picture.", (("person", 1),)),
        ("an intruder walks through the garden", (("person", 1),)),
        ("two people", (("person", 2),)),
        ("more than three people", (("person", 4),)),
        ("a crowd of people", (("person", 5),)),
        ("a crowd", (("person", 5),)),
        ("a dog and a cat", (("dog", 1), ("cat", 1))),
        ("a car drives by", (("car", 1),)),
        ("a taxi", (("car", 1),)),
        ("一个人", (("person", 1),)),
        ("两个人在门口", (("person", 2),)),
        ("有一辆车开过", (("car", 1),)),
        ("公交车", (("bus", 1),)),
        ("eine Frau geht über die Straße", (("person", 1),)),
        ("zwei Autos", (("car", 2),)),
        ("un perro", (("dog", 1),)),
        ("dos personas en la calle", (("person", 2),)),
        ("une personne à la porte", (("person", 1),)),
        ("uma pessoa no portão", (("person", 1),)),
    ],
)
def test_a_description_that_only_names_objects(text: str, objects: tuple[tuple[str, int], ...]) -> None:
    found = read(text)
    assert (found.objects, found.rest, found.colours, found.absent) == (objects, (), (), False)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("a man in a dark hoodie", ("dark", "hoodie")),
        ("a person falls", ("falls",)),
        ("two men fighting", ("fighting",)),
        ("alguien se cae", ("cae",)),
        ("jemand stürzt", ("stürzt",)),
        ("a person with a gun", ("gun",)),
    ],
)
def test_what_a_description_says_beyond_its_objects_is_kept(text: str, rest: tuple[str, ...]) -> None:
    found = read(text)
    assert found.rest == rest


@pytest.mark.parametrize("text", ["nobody", "no one", "no person in the yard", "没有人", "niemand", "nadie", "ninguém"])
def test_the_absence_of_persons(text: str) -> None:
    found = read(text)
    assert (found.objects, found.absent, found.rest) == ((("person", 1),), True, ())


def test_an_empty_road_has_neither_persons_nor_vehicles() -> None:
    assert read("an empty road") == Reading("en", (("person", 1), ("vehicle", 1)), absent=True, road=True)


def test_places_and_colours_are_told_apart() -> None:
    red, door = read("a red car"), read("someone is at the front door")
    assert (red.colours, red.rest) == (("red",), ())
    assert (door.door, door.road, door.rest) == (True, False, ())


@pytest.mark.parametrize("text", ["a padlock", "an ambulance", "fire", "footage of a guitar", "一把吉他", ""])
def test_a_description_may_name_no_object(text: str) -> None:
    assert read(text).objects == ()


def test_a_number_a_negation_and_an_empty_place_are_read_without_an_object() -> None:
    assert read("three umbrellas").number == 3
    assert read("no umbrella").absent
    assert read("an empty room").empty
    assert not read("an empty road").empty


def test_every_language_names_the_same_objects() -> None:
    words = object_words()
    assert {*words} == {"en", "zh", "de", "es", "fr", "pt"}
    assert all(w["classes"].keys() == words["en"]["classes"].keys() for w in words.values())
    for language, w in words.items():
        for name, phrases in w["classes"].items():
            first = phrases.split(", ")[0]
            found = read(first)
            assert found.objects[0][0] == name, (language, first, found)


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ("two taxi cabs", None),
        ("two cabs", (("car", 2),)),
        ("three policemen", (("person", 3),)),
        ("two ladies", (("person", 2),)),
        ("scooters", (("motorcycle", 1),)),
        ("coaches", (("bus", 1),)),
    ],
)
def test_plurals_of_english_words_need_not_be_listed(text: str, objects: tuple[tuple[str, int], ...] | None) -> None:
    if objects is not None:
        assert read(text).objects == objects
    assert read(text).rest == ()


@pytest.mark.parametrize(
    "text", ["a dog or a cat", "ein Hund oder eine Katze", "un chien ou un chat", "一只狗或者一只猫"]
)
def test_alternatives_are_not_both(text: str) -> None:
    reading = read(text)
    assert (reading.either, reading.rest) == (True, ())
    assert not read("a dog and a cat").either
    assert not read("no dog or cat").either
