"""The lexicon through an encoder that counts letters: every phrase is true of what it was made of."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from alignment.calibration import LITE_CALIBRATION
from alignment.lexicon import scenes, things, topics
from alignment.synthetic.streams import Synthesiser, World
from alignment.types import F32
from workers.queries.synthetic_world import build_world
from workers.types import U8, Areas, FrameSpec, ModelInfo

PAIRS = 26 * 26


@cache
def _pairs_of(text: str) -> F32:
    row = np.full(PAIRS, 1e-3, np.float32)
    letters = [ord(c) - 97 for c in text.lower() if "a" <= c <= "z"]
    np.add.at(row, [a * 26 + b for a, b in pairwise(letters)], 1)
    return np.asarray(row / np.linalg.norm(row), np.float32)


class LetterEncoder:
    """Counts of neighbouring letters as embeddings; frames are what the names of things say."""

    info = ModelInfo("letters", "test", "letters", "1", PAIRS, "none", "cpu", 0.0)
    frame_spec = FrameSpec(8, 8, "squash")
    calibration = LITE_CALIBRATION
    space_file = None

    def __init__(self) -> None:
        self.vocabulary = self.encode_text([t.name for t in things()])
        self.asked: Counter[str] = Counter()

    def encode_frames(self, frames: U8) -> F32:
        return np.zeros((len(frames), PAIRS), np.float32)

    def encode_zones(self, frames: U8, zones: Sequence[Sequence[Areas]]) -> F32:
        return np.zeros((len(frames) + sum(map(len, zones)), PAIRS), np.float32)

    def encode_text(self, texts: Sequence[str]) -> F32:
        return np.stack([_pairs_of(text) for text in texts]) if len(texts) else np.zeros((0, PAIRS), np.float32)

    def encode_sentences(self, texts: Sequence[str]) -> F32:
        self.asked.update(texts)
        return self.encode_text(texts)

    def likeness(self, texts: Sequence[str], rows: F32, told: bool = True) -> F32:
        found = (self.vocabulary @ rows.T).max(axis=1, initial=0.0)
        return found if told else found / 2

    def imagine(self, beliefs: F32) -> F32:
        rows = beliefs @ self.vocabulary
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


ENCODER = LetterEncoder()


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(ENCODER, seed=3)


def test_everything_in_the_lexicon_is_asked_for(world: World) -> None:
    count = len(things()) + len(scenes())
    assert set().union(*(p.of for p in world.seen)) == set(range(count))
    assert set().union(*(p.of for p in world.said)) == set(range(len(topics())))
    assert world.likeness.shape == (1000, 1000)
    np.testing.assert_allclose(world.likeness.diagonal(), 1, atol=1e-4)
    assert world.clutter.shape == (len(scenes()), 1000)
    assert [len(w) for w in world.words] == [len(t.sentences) for t in topics()] == [len(s) for s in world.sentences]
    assert min(min(w) for w in world.words) > 0


def test_phrases_are_true_of_their_things(world: World) -> None:
    cat = next(i for i, t in enumerate(things()) if t.name == "tabby")
    named = [p for p in world.seen if p.of == {cat}]
    assert "a tabby" in {p.query.event for p in named}
    assert set(things()[cat].paraphrases) <= {p.query.event for p in named}
    kinds = {p.query.event: p for p in world.seen if len(p.of) > 1}
    for kind in things()[cat].kinds:
        assert cat in kinds[kind.split(",")[0]].of
    assert all(not p.of & p.maybe for p in world.seen)
    assert any(p.maybe for p in kinds.values())


def test_things_with_much_the_same_name_are_never_held_against_each_other(world: World) -> None:
    alike = ENCODER.vocabulary @ ENCODER.vocabulary.T >= 0.85
    pairs = [(int(a), int(b)) for a, b in np.argwhere(alike) if a != b]
    assert pairs
    named = {i: [p for p in world.seen if p.of == {i}] for i, _ in pairs}
    assert all(b in p.maybe for a, b in pairs for p in named[a])


def test_each_phrase_is_about_one_modality(world: World) -> None:
    assert all(p.query.prior.tolist() == [1, 0, 0] and len(p.query.vision) == 1 for p in world.seen)
    assert all(p.query.prior.tolist() == [0, 1, 0] and len(p.query.speech) == 1 for p in world.said)


def test_half_of_the_paraphrases_are_new_to_the_encoder(world: World) -> None:
    told = {text for t in things() for text in t.paraphrases}
    halved = [
        bool(p.query.likeness.max() < 0.6 * ENCODER.likeness((), p.query.vision).max())
        for p in world.seen
        if p.query.event in told and len(p.of) == 1
    ]
    assert 0.4 < np.mean(halved) < 0.6
    assert not any(
        p.query.likeness.max() < 0.6 * ENCODER.likeness((), p.query.vision).max()
        for p in world.seen
        if p.query.event not in told
    )


@pytest.mark.timeout(60)  # makes two
def test_a_seed_makes_one_world_and_no_text_is_embedded_twice(world: World) -> None:
    encoder = LetterEncoder()
    again = build_world(encoder, seed=3)
    assert max(encoder.asked.values()) == 1
    assert [(p.query.event, p.of, p.maybe) for p in again.seen] == [(p.query.event, p.of, p.maybe) for p in world.seen]
    for a, b in zip(again.sentences, world.sentences, strict=True):
        np.testing.assert_array_equal(a, b)
    other = build_world(LetterEncoder(), seed=4)
    assert [p.query.event for p in other.seen] != [p.query.event for p in world.seen]


def test_streams_come_of_it(world: World) -> None:
    samples = Synthesiser(world).stream(0)
    assert any(len(s.relevant) for s in samples)
    assert samples[0].window.frames.shape[1] == PAIRS
    assert samples[0].query.vocabulary is ENCODER.vocabulary
