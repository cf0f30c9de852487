"""Where a space lies: z-scores of true and of other pairs, with truth and without, in spaces that are made here."""

import numpy as np
import pytest

from alignment.evaluation.space import Asked, Grade, SpaceFigures, grade, in_words, measure_space
from alignment.types import F32
from alignment.vectors import unit_rows

NAMES, WIDTH, FRAMES = 1000, 256, 60
PROBED = np.arange(0, NAMES, 5)


def space(content: float, truth: bool = True, style: float = 0.0, seed: int = 3) -> SpaceFigures:
    """Measure a space whose frames show one name each to the degree ``content``.

    ``style`` is a direction that all frames share with all descriptions and with no name.
    """
    rng = np.random.default_rng(seed)
    names = unit_rows(rng.normal(size=(NAMES, WIDTH)))
    shared = unit_rows(rng.normal(size=(1, WIDTH)))
    shown = rng.integers(NAMES, size=FRAMES)
    noise = unit_rows(rng.normal(size=(FRAMES, WIDTH)))
    frames = unit_rows(content * names[shown] + np.sqrt(1 - content**2) * noise + style * shared)
    told = unit_rows(names + 0.5 * unit_rows(rng.normal(size=(NAMES, WIDTH))) + style * shared).astype(np.float32)
    asked = [Asked(told[[k]], (shown == k).astype(np.int8)) for k in dict.fromkeys(shown.tolist())] if truth else []
    return measure_space(frames.astype(np.float32), names.astype(np.float32), told[PROBED], PROBED, asked)


def test_what_a_frame_shows_stands_apart_in_a_good_space() -> None:
    found = space(0.5)
    assert found.true is not None
    assert found.true.count == FRAMES
    assert found.true.median > 4 > found.others.high
    assert abs(found.others.median) < 0.3
    assert found.separation == pytest.approx(1.0, abs=0.01)
    assert grade(found) is Grade.APART
    assert "stand apart" in " ".join(in_words(found))


def test_a_space_of_noise_is_useless_with_truth_and_without() -> None:
    for found in (space(0.0), space(0.0, truth=False)):
        assert found.strength == pytest.approx(3.24, abs=0.15)
        assert grade(found) is Grade.USELESS
        assert "another profile" in " ".join(in_words(found))
    assert space(0.0).separation == pytest.approx(0.5, abs=0.15)


def test_between_them_a_space_separates_in_part() -> None:
    found = space(0.15)
    assert grade(found) is Grade.PARTLY
    assert "similarity" in " ".join(in_words(found))


def test_without_truth_only_distinctness_is_judged() -> None:
    found = space(0.5, truth=False)
    assert (found.true, found.separation) == (None, None)
    assert found.strength > 4.5
    assert grade(found) is Grade.APART
    assert "what a frame shows has its median" not in " ".join(in_words(found))


def test_separation_is_the_share_of_pairs_in_order() -> None:
    found = space(0.12)
    assert found.true is not None
    rng = np.random.default_rng(1)
    assert found.separation is not None
    assert 0.6 < found.separation < 1
    names = unit_rows(rng.normal(size=(50, 20))).astype(np.float32)
    frames: F32 = names[:2]
    truth = np.array([1, 0], np.int8)
    both = measure_space(frames, names, names[:0], np.zeros(0, np.intp), [Asked(names[:1], truth)])
    assert both.separation == 1.0  # one true pair, above the one false pair
    assert (both.true and both.true.count, both.others.count) == (1, 1)


def test_frames_whose_truth_is_not_known_are_not_counted() -> None:
    names = np.eye(30, dtype=np.float32)
    truth = np.array([1, -1, 0], np.int8)
    found = measure_space(names[:3], names, names[:0], np.zeros(0, np.intp), [Asked(names[:1], truth)])
    assert (found.true and found.true.count, found.others.count) == (1, 1)


def test_descriptions_in_a_style_that_all_frames_share_are_warned_of() -> None:
    found = space(0.5, style=0.8)
    assert found.others.median > 1.5
    assert "expect false alerts" in " ".join(in_words(found))
    assert "expect false alerts" not in " ".join(in_words(space(0.5)))


def test_one_frame_is_enough_to_measure() -> None:
    names = unit_rows(np.random.default_rng(0).normal(size=(100, 20))).astype(np.float32)
    found = measure_space(names[:1], names, names[50:], np.arange(50, 100))
    assert found.frames == 1
    assert np.isfinite(found.frames_alike.median)
