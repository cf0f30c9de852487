"""Streams out of text: what is said to be true is what is shown and said. A world of twelve things, made by hand."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from alignment.aligners.trained.batches import Sample
from alignment.synthetic.streams import Phrase, Synthesiser, World
from alignment.types import F32, EventQuery

THINGS, SCENES, TOPICS, WIDTH = 12, 2, 3, 6
SURE = np.eye(THINGS, dtype=np.float32)


def query(name: str, row: F32 | None = None, said: F32 | None = None) -> EventQuery:
    none, silent = np.zeros((0, THINGS), np.float32), np.zeros((0, WIDTH), np.float32)
    prior = np.array([row is not None, said is not None, False], np.float32)
    return EventQuery(
        name,
        none if row is None else row[None],
        none,
        silent if said is None else said[None],
        silent,
        np.zeros(3, np.float32),
        prior,
    )


def likeness() -> F32:
    """Return things in pairs that are much alike, 0 and 1, 2 and 3, …"""
    pair = np.arange(THINGS) // 2
    return np.where(np.eye(THINGS, dtype=bool), 1.0, np.where(pair[:, None] == pair, 0.8, 0.0)).astype(np.float32)


def world(**changes: Any) -> World:
    """Frames are the beliefs themselves, so that a test can read what is shown."""
    rng = np.random.default_rng(0)
    seen = [Phrase(query(f"thing {i}", SURE[i]), frozenset([i])) for i in range(THINGS)]
    seen += [Phrase(query("the first pair", SURE[0]), frozenset([0, 1]), frozenset([2]))]
    seen += [Phrase(query(f"scene {i}", -SURE[i]), frozenset([THINGS + i])) for i in range(SCENES)]
    topics = np.eye(WIDTH, dtype=np.float32)[:TOPICS]
    sentences = tuple(np.repeat(t[None], 4, 0) + rng.normal(0, 0.01, (4, WIDTH)).astype(np.float32) for t in topics)
    made = World(
        likeness=likeness(),
        clutter=rng.uniform(0, 1, (SCENES, THINGS)).astype(np.float32),
        seen=tuple(seen),
        said=tuple(Phrase(query(f"topic {i}", said=topics[i]), frozenset([i])) for i in range(TOPICS)),
        sentences=sentences,
        words=((8, 8, 8, 8),) * TOPICS,
        imagine=lambda beliefs: beliefs,
    )
    return replace(made, **changes)


def many(count: int = 40, of: World | None = None) -> list[list[Sample]]:
    synthesiser = Synthesiser(of or world(), seed=5)
    return [synthesiser.stream(n) for n in range(count)]


STREAMS = many()


def about(test: Callable[[str], bool]) -> list[Sample]:
    return [s for stream in STREAMS for s in stream if test(s.query.event)]


def inside(sample: Sample) -> np.ndarray:
    """Return which clips lie in a window, bool[T]."""
    middle = sample.window.bounds.mean(axis=1)
    return np.any([(s < middle) & (middle < e) for s, e in sample.relevant] or [np.zeros(len(middle), bool)], axis=0)


def same(a: Sample, b: Sample) -> bool:
    return (
        a.query.event == b.query.event
        and np.array_equal(a.relevant, b.relevant)
        and np.array_equal(a.window.frames, b.window.frames)
        and np.array_equal(a.window.speech, b.window.speech)
        and np.array_equal(a.window.speech_t, b.window.speech_t)
        and np.array_equal(a.query.vision_unlike, b.query.vision_unlike)
    )


def test_a_seed_and_a_number_make_one_stream() -> None:
    for number in (0, 7):
        again = Synthesiser(world(), seed=5).stream(number)
        assert len(again) == len(STREAMS[number])
        assert all(same(a, b) for a, b in zip(again, STREAMS[number], strict=True))
    first = STREAMS[0][0].window.frames
    assert not np.array_equal(Synthesiser(world(), seed=6).stream(0)[0].window.frames, first)
    assert not np.array_equal(STREAMS[1][0].window.frames, first)


def test_what_is_true_is_shown() -> None:
    """Belief in a thing is far higher inside its windows; the classifier is sometimes wrong, so on the whole."""
    there, elsewhere = [], []
    for sample in about(lambda name: name.startswith("thing")):
        thing, clips = int(sample.query.event.split()[1]), inside(sample)
        belief = sample.window.frames[:, thing]
        there += belief[clips & sample.window.frame_mask].tolist()
        elsewhere += belief[~clips].tolist()
    assert np.mean(there) > 0.4
    assert np.mean(elsewhere) < 0.1


def test_the_windows_of_a_pair_are_those_of_both() -> None:
    checked = 0
    for stream in STREAMS:
        by_name = {s.query.event: s for s in stream}
        if {"the first pair", "thing 0", "thing 1"} <= by_name.keys():
            either = inside(by_name["thing 0"]) | inside(by_name["thing 1"])
            np.testing.assert_array_equal(inside(by_name["the first pair"]), either)
            checked += either.any()
    assert checked


def test_windows_lie_on_clips_in_order_and_apart() -> None:
    for sample in about(lambda name: not name.startswith("topic")):
        edges = sample.relevant.ravel()
        assert (np.diff(edges) > 0).all()
        assert np.isin(edges, sample.window.bounds).all()


def test_what_is_true_is_said() -> None:
    heard = 0
    for sample in about(lambda name: name.startswith("topic")):
        window, row = sample.window, sample.query.speech[0]
        fits = window.speech @ row > 0.9
        middle = window.speech_t.mean(axis=1)
        told = np.any([(s <= middle) & (middle <= e) for s, e in sample.relevant] or [middle < 0], axis=0)
        np.testing.assert_array_equal(fits, told)
        starts, ends = window.speech_t[fits].T
        if fits.any():
            assert sample.relevant[0, 0] == starts.min()
            assert sample.relevant[-1, 1] == ends.max()
            heard += 1
        assert (np.diff(sample.relevant.ravel()) > 0).all()
    assert heard > 20


def test_utterances_follow_one_another_and_have_unit_length() -> None:
    for stream in STREAMS:
        window = stream[0].window
        assert (window.speech_t[:, 1] > window.speech_t[:, 0]).all()
        assert (window.speech_t[1:, 0] > window.speech_t[:-1, 1]).all()
        np.testing.assert_allclose(np.linalg.norm(window.speech, axis=1), 1, atol=1e-5)


def test_much_of_what_is_asked_never_happens() -> None:
    for kind in ("thing", "topic"):
        absent = [not len(s.relevant) for s in about(lambda name, kind=kind: name.startswith(kind))]  # type: ignore[misc]  # a default binds the loop's value
        assert 0.15 < np.mean(absent) < 0.9


def test_what_could_be_argued_about_is_not_shown() -> None:
    """ "The first pair" may be true of thing 2: it is never asked where thing 2 is."""
    asked = [s for s in about(lambda name: name == "the first pair") if len(s.relevant)]
    assert asked
    streams = [st for st in STREAMS if any(s.query.event == "the first pair" for s in st)]
    for stream in streams:
        second = [s for s in stream if s.query.event == "thing 2"]
        assert not any(len(s.relevant) for s in second)


def test_siblings_are_what_is_most_mistaken() -> None:
    """Where a thing is shown, its sibling is believed in more than anything else."""
    other = np.zeros(THINGS)
    for sample in about(lambda name: name == "thing 4"):
        other += sample.window.frames[inside(sample)].sum(axis=0)
    other[4] = 0
    assert other.argmax() == 5


def test_siblings_of_what_is_shown_are_asked_for() -> None:
    near = far = 0
    for stream in STREAMS:
        asked = {int(s.query.event.split()[1]): len(s.relevant) for s in stream if s.query.event.startswith("thing")}
        for thing, windows in asked.items():
            if windows:
                near += asked.get(thing ^ 1) == 0
                far += asked.get((thing + 6) % THINGS) == 0
    assert near > far


def test_a_contrast_is_something_else_that_is_shown() -> None:
    contrasted = about(lambda name: name.startswith("thing"))
    contrasted = [s for s in contrasted if len(s.query.vision_unlike)]
    assert contrasted
    assert all((s.query.vision_unlike[0] != s.query.vision[0]).any() for s in contrasted)


def test_frames_are_beliefs_and_some_are_lost() -> None:
    lost = []
    for stream in STREAMS:
        window = stream[0].window
        total = window.frames.sum(axis=1)
        np.testing.assert_allclose(total, window.frame_mask, atol=1e-5)
        lost.append((~window.frame_mask).mean())
    assert min(lost) == 0
    assert 0.03 < max(lost) < 0.4


def test_streams_differ_in_pace_and_things_come_back() -> None:
    hops = {float(st[0].window.bounds[0, 1]) for st in STREAMS}
    assert len(hops) > 1
    assert max(len(s.relevant) for st in STREAMS for s in st) > 1


@pytest.mark.parametrize(
    "changes",
    [
        {"clutter": np.zeros((0, THINGS), np.float32), "seen": world().seen[:THINGS]},
        {"said": (), "sentences": (), "words": ()},
    ],
    ids=["no scenes", "nothing said"],
)
def test_a_world_may_lack_scenes_or_speech(changes: dict[str, Any]) -> None:
    (stream,) = many(1, world(**changes))
    assert any(len(s.relevant) for s in stream)
    assert len(stream[0].window.speech) == len(stream[0].window.speech_t)
