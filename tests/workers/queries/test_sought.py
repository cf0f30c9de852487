"""What is asked of a detector for a description."""

import pytest

from alignment.lexicon import animal_kinds, object_words
from alignment.types import DETECTED_COLOURS, Counted
from tests.support.documents import describing_page
from workers.detectors.classes import COLOURED, NAMES
from workers.queries.sought import NEVER, VEHICLES, look_of, sought_objects

PERSON, CAR, DOG = NAMES.index("person"), NAMES.index("car"), NAMES.index("dog")


def kind(name: str) -> int:
    return list(animal_kinds()).index(name)


@pytest.mark.parametrize("text", ["a person", "a woman", "an intruder in the garden", "一个人", "eine Frau"])
def test_a_person_is_for_the_detector_alone(text: str) -> None:
    sought = sought_objects(text)
    assert sought is not None
    assert (sought.query.wanted, sought.query.frames, sought.query.place) == ((Counted((PERSON,)),), "ignore", ())


@pytest.mark.parametrize("text", ["a man in a dark hoodie", "a person falls", "a girl", "someone climbs a fence"])
def test_what_says_more_about_a_person_is_never_answered_by_a_person_alone(text: str) -> None:
    sought = sought_objects(text)
    assert sought is not None
    assert sought.query.wanted == (Counted((PERSON,)),)
    assert sought.query.frames == "both"
    assert sought.look == text


@pytest.mark.parametrize(
    ("text", "look"),
    [
        ("a package at the door", "a package"),
        ("footage of an umbrella on the lawn in front of the house", "an umbrella"),
        ("a building", "a building"),
        ("at the door", "at the door"),
        ("a bell tower on the sand", "a bell tower on the sand"),
    ],
)
def test_a_place_is_no_part_of_the_look(text: str, look: str) -> None:
    assert look_of(text) == look


@pytest.mark.parametrize(("text", "look"), [("a car", "a car"), ("ein Auto", "a car"), ("一只狗", "a dog")])
def test_vehicles_and_animals_are_also_judged_by_their_look_unless_a_person_is_seen(text: str, look: str) -> None:
    sought = sought_objects(text)
    assert sought is not None
    assert (sought.look, sought.query.frames, sought.query.veto) == (look, "either", (PERSON,))


def test_a_van_or_pickup_is_a_car_to_the_detector() -> None:
    sought = sought_objects("a car")
    assert sought is not None
    (wanted,) = sought.query.wanted
    assert {NAMES[kind] for kind in wanted.classes} == {"car", "truck", "bus", "vehicle"}


@pytest.mark.parametrize("text", ["a red car", "一辆红色的车", "un coche rojo"])
def test_a_red_vehicle_is_one_whose_box_is_red(text: str) -> None:
    sought = sought_objects(text)
    assert sought is not None
    (wanted,) = sought.query.wanted
    assert wanted.colour == DETECTED_COLOURS.index("red")
    assert CAR in wanted.classes


def test_a_street_is_where_vehicles_were_shown_and_a_door_where_none_was() -> None:
    crossing, visit = sought_objects("someone crosses the street"), sought_objects("someone is at the door")
    assert crossing is not None
    assert visit is not None
    assert CAR in crossing.query.place
    assert not crossing.query.elsewhere
    assert CAR in visit.query.place
    assert visit.query.elsewhere


def test_an_empty_road_shows_neither_persons_nor_what_looks_like_a_vehicle() -> None:
    sought = sought_objects("an empty road")
    assert sought is not None
    query = sought.query
    assert (query.absent, query.frames, sought.look) == (True, "either", "a vehicle")
    assert query.wanted[0] == Counted((PERSON,))
    assert CAR in query.wanted[1].classes
    assert CAR in query.place


@pytest.mark.parametrize("text", ["an empty room", "no umbrella", "no backpack", "nobody with a helmet"])
def test_what_nothing_can_judge_is_never_reported(text: str) -> None:
    sought = sought_objects(text)
    assert sought is not None
    assert sought.query is NEVER


@pytest.mark.parametrize("text", ["a person and a car at the door", "a motorcycle at the door"])
def test_a_description_that_names_a_vehicle_holds_where_vehicles_were_shown(text: str) -> None:
    sought = sought_objects(text)
    assert sought is not None
    assert (sought.query.place, sought.query.elsewhere) == ((), False)


@pytest.mark.parametrize(
    "text", ["a bicycle", "an unattended suitcase", "a pickup truck", "a police car", "a black car"]
)
def test_what_a_detector_is_not_sure_of_needs_it_and_the_features(text: str) -> None:
    sought = sought_objects(text)
    assert sought is not None
    assert (sought.query.frames, sought.look) == ("both", text)


def test_every_object_of_the_lexicon_is_known_to_a_detector() -> None:
    for name, words in object_words()["en"]["classes"].items():
        sought = sought_objects(words.split(", ")[0])
        assert sought is not None, name
        assert sought.query.wanted[0].classes, name


@pytest.mark.parametrize("text", ["a padlock", "an ambulance", "a dog with a hat", "a bottle of red wine"])
def test_what_no_detector_knows_is_for_the_features_alone(text: str) -> None:
    assert sought_objects(text) is None


def test_all_objects_are_wanted() -> None:
    sought = sought_objects("two people and a dog")
    assert sought is not None
    assert sought.query.wanted == (Counted((PERSON,), 2), Counted((DOG,), kinds=(kind("a dog, a pet"),)))


@pytest.mark.parametrize(
    ("text", "kinds"), [("a cat", 1), ("a dog and a cat", 2), ("a dog or a person", 0), ("a pet", 0)]
)
def test_only_of_dogs_and_cats_it_is_known_which_kinds_of_animals_they_are(text: str, kinds: int) -> None:
    sought = sought_objects(text)
    assert sought is not None
    assert {len(counted.kinds) for counted in sought.query.wanted} == {kinds}


def test_the_page_for_newcomers_is_generated_from_the_lexicon() -> None:
    assert describing_page.PAGE.read_text("utf-8") == describing_page.page(), (
        "python -m tests.support.documents.describing_page"
    )


@pytest.mark.parametrize("text", ["a dog or a cat", "ein Hund oder eine Katze", "un perro o un gato", "一只狗或一只猫"])
def test_of_alternatives_one_is_enough(text: str) -> None:
    sought = sought_objects(text)
    assert sought is not None
    both = (kind("a dog, a pet"), kind("a cat, a pet"))
    assert sought.query.wanted == (Counted((DOG, NAMES.index("cat")), kinds=both),)
    assert sought.look == "a dog or a cat"


def test_an_alternative_that_is_rarely_sure_does_not_spoil_the_others() -> None:
    surely, seldom = sought_objects("a car, truck or bus"), sought_objects("a backpack or a handbag")
    assert surely is not None
    assert surely.query.frames == "either"
    assert {NAMES[i] for i in surely.query.wanted[0].classes} == {"car", "truck", "bus", "vehicle"}
    assert seldom is not None
    assert (seldom.query.frames, len(seldom.query.wanted)) == ("both", 1)
    assert seldom.query.wanted[0].ease > 0


def test_neither_of_two_is_not_one_of_two() -> None:
    sought = sought_objects("no dog or cat")
    assert sought is not None
    assert (sought.query.absent, len(sought.query.wanted)) == (True, 2)


def test_alternatives_are_a_list_and_nothing_else() -> None:
    """Else "a person with a dog or a cat" would be reported for any person."""
    sought = sought_objects("a person with a dog or a cat")
    assert sought is not None
    assert len(sought.query.wanted) == 3
    assert sought.query.frames == "both"


@pytest.mark.parametrize("vehicle", sorted(VEHICLES))
def test_a_colour_is_asked_only_of_classes_of_which_it_is_measured(vehicle: str) -> None:
    wanted = sought_objects(f"a red {vehicle}")
    assert wanted is not None
    (counted,) = wanted.query.wanted
    assert counted.colour is not None
    assert {*counted.classes} <= {*COLOURED}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("students in a classroom", 2),
        ("kids shooting hoops", 2),
        ("two boys in caps", 2),
        ("three workers in hard hats", 3),
        ("one of the boys in a cap", 1),
        ("a student in a classroom", 1),
        ("people at the door", 1),  # said by who means anybody
    ],
)
def test_one_person_is_no_sign_of_several_who_do_something(text: str, count: int) -> None:
    sought = sought_objects(text)
    assert sought is not None
    assert sought.query.wanted[0].count == count
