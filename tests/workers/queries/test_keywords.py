import pytest

from workers.queries.keywords import MOST, content_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a person in a red jacket", ("person", "red", "jacket")),
        ("The DOG's lead, the well-known 2 dogs", ("DOG's", "lead", "well-known", "2", "dogs")),
        ("red and red", ("red",)),
        ("ein Straßenhund läuft", ("ein", "Straßenhund", "läuft")),
        ("穿红色外套的人", ("穿红色外套", "人")),
        ("红色的汽车和蓝色的卡车", ("红色", "汽车", "蓝色", "卡车")),
        ("红色的car", ("红色", "car")),
        ("there is something", ("there is something",)),
        ("  的了 ", ("的了",)),
        ("?!", ("?!",)),
        ("", ("",)),
    ],
)
def test_the_words_that_carry_the_meaning(text: str, words: tuple[str, ...]) -> None:
    assert content_words(text) == words


def test_no_more_than_can_be_looked_at() -> None:
    words = content_words(" ".join(f"word{chr(97 + i)}" for i in range(20)))
    assert len(words) == MOST
    assert words[0] == "worda"
