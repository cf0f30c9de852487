"""The language that a description is taken for."""

import pytest

from workers.queries.language import NONE, OTHER, language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("a dog", "en"),
        ("ein Vorhängeschloss", "de"),
        ("eine Frau im roten Mantel", "de"),
        ("hay un candado en la mesa", "es"),
        ("fuego", "es"),
        ("il y a un cadenas", "fr"),
        ("une grille de mots croisés", "fr"),
        ("há um cadeado", "pt"),
        ("uma abelha", "pt"),
        ("一把挂锁", "zh"),
        ("穿T恤的男人", "zh"),
    ],
)
def test_the_language_has_most_of_the_words(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "a Weimaraner",
        "a taxi",
        "pizza",
        "a Roomba on the floor",
        "a café with a cat",
        "the man in question was in Paris",
        "an Audi",
        "dolphins",
        "a jalapeño",
        "Eine kleine Nachtmusik is played on the radio in the restaurant",
        "someone drives a tractor on the autobahn",
    ],
)
def test_names_and_loan_words_leave_english_english(text: str) -> None:
    assert language_of(text) == "en"


@pytest.mark.parametrize("text", ["человек", "ギターを弾く人", "자동차", "शेर", "سيارة"])
def test_scripts_that_the_lexicon_does_not_have(text: str) -> None:
    assert language_of(text) == NONE


@pytest.mark.parametrize("text", ["Schraubzwingen", "şemsiye", "lucchetto"])
def test_latin_words_that_are_known_in_no_language(text: str) -> None:
    assert language_of(text) == OTHER
