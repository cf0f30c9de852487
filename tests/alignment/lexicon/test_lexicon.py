"""What text-only training knows of the world is complete, and its paraphrases do not give the name away."""

import pytest

from alignment.lexicon import ANIMALS, animal_kinds, scenes, things, topics, with_article, wordings


@pytest.mark.timeout(60)  # imports torchvision
def test_a_thousand_things_in_the_order_of_imagenet() -> None:
    from torchvision.models import EfficientNet_B0_Weights

    names = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
    assert [t.name for t in things()] == list(names)


def test_every_thing_is_told_in_other_words() -> None:
    for thing in things():
        told = (thing.gloss, *thing.paraphrases)
        assert thing.gloss.strip(), thing.name
        assert len(thing.paraphrases) == 2, thing.name
        assert len(set(told)) == 3, thing.name
        for text in told:
            assert text == text.strip(), text
            assert f" {thing.name.lower()} " not in f" {text.lower()} ", (thing.name, text)


def test_kinds_hold_together() -> None:
    of = {t.name: t.kinds for t in things()}
    assert "a shark" in of["tiger shark"]
    assert of["tiger shark"].index("a fish") < of["tiger shark"].index("a shark")  # the most general first
    assert "a fish" not in of["goldfinch"]
    kinds = [k for t in things() for k in t.kinds]
    assert min(kinds.count(k) for k in set(kinds)) >= 1
    assert sum(bool(t.kinds) for t in things()) > 900
    assert all(len(set(t.kinds)) == len(t.kinds) for t in things())


def test_every_animal_is_of_a_kind_and_nothing_else_is() -> None:
    assert {i for of in animal_kinds().values() for i in of} == {*range(ANIMALS)}
    assert [t.name for t in things()[ANIMALS - 1 : ANIMALS + 1]] == ["puffer", "abacus"]


def test_scenes_and_topics_are_different_ones_with_several_tellings() -> None:
    captions = [s.caption for s in scenes()]
    assert len(set(captions)) == len(captions) > 50
    assert all(s.paraphrases and s.caption not in s.paraphrases for s in scenes())
    said = [sentence for t in topics() for sentence in t.sentences]
    assert len(set(said)) == len(said) > 100
    assert all(len(t.sentences) >= 2 and len(set(t.descriptions)) == len(t.descriptions) >= 2 for t in topics())
    assert not set(said) & {d for t in topics() for d in t.descriptions}


def test_every_thing_is_named_in_six_languages() -> None:
    named: dict[str, set[str]] = {}
    for wording in wordings():
        assert wording.text == wording.text.strip() != "", wording
        named.setdefault(wording.english, set()).add(wording.language)
    for thing in things():
        assert named[with_article(thing.name)] == {"en", "zh", "de", "es", "fr", "pt"}, thing.name
    kinds = {kind for thing in things() for kind in thing.kinds}
    assert len(kinds & named.keys()) > 70
