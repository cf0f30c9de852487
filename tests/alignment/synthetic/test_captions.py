import random

import pytest

from alignment.lexicon import Thing
from alignment.synthetic.captions import captions, kind_captions, misheard, with_article

OWL = Thing("owl", "a bird with large eyes", ("a bird of the night", "a hooting thing"), ("hooter",), ("a bird",))


@pytest.mark.parametrize(("noun", "told"), [("cat", "a cat"), ("owl", "an owl"), ("Airedale", "an Airedale")])
def test_articles(noun: str, told: str) -> None:
    assert with_article(noun) == told


def test_captions_name_it_place_it_and_tell_it_in_other_words() -> None:
    told = captions(OWL, random.Random(1))
    assert told[:2] == ("an owl", "a hooter")
    assert told[-2:] == OWL.paraphrases
    assert len(told) == 6
    for caption in told[2:4]:
        assert ("owl" in caption) != ("hooter" in caption)
        assert caption not in told[:2]
    assert OWL.gloss not in told


def test_captions_vary_and_are_the_same_for_a_seed() -> None:
    assert captions(OWL, random.Random(3)) == captions(OWL, random.Random(3))
    assert len({captions(OWL, random.Random(seed)) for seed in range(20)}) > 10


def test_a_kind_is_told_by_each_of_its_names() -> None:
    told = kind_captions("a dog, an old pet")
    assert told[:2] == ("a dog", "an old pet")
    assert {"some kind of dog", "any kind of dog"} <= set(told)
    assert len(set(told)) == len(told)


def test_some_words_are_misheard_and_most_are_not() -> None:
    said, other = "one two three four five six seven eight nine ten", ["zebra"]
    heard = [misheard(said, other, random.Random(seed)).split() for seed in range(300)]
    kept = [sum(w in said.split() for w in words) for words in heard]
    assert 0.85 < sum(kept) / 3000 < 0.97
    assert any("zebra" in words for words in heard)
    assert any(len(words) < 10 for words in heard)
    for words in heard:  # in the order in which they were said
        order = [said.split().index(w) for w in words if w != "zebra"]
        assert order == sorted(order)


def test_something_is_always_heard() -> None:
    assert all(misheard("yes", ["no"], random.Random(seed), rate=1.0) for seed in range(50))
    assert misheard("all of it", ["no"], random.Random(0), rate=0.0) == "all of it"
