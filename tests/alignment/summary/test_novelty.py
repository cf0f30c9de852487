"""What is seen once among what is usual, by day and night, on a camera whose picture is noisy."""

import numpy as np
import pytest

from alignment.search.embedding_store import quantize
from alignment.summary.novelty import MOST_ROWS, NOVEL, Novelty, novel_moments, novelty
from alignment.types import F32
from alignment.vectors import unit_rows

D = 64


def shown(centres: list[tuple[int, int]], seed: int = 0, noise: float = 0.15) -> F32:
    """Return noisy rows: so many of each centre, by number."""
    rng = np.random.default_rng(seed)
    known = unit_rows(np.random.default_rng(99).normal(size=(20, D)))
    rows = [known[c] + noise * unit_rows(rng.normal(size=(n, D))) for c, n in centres]
    return unit_rows(np.concatenate(rows))


def test_one_strange_moment_in_a_usual_stream() -> None:
    rows = shown([(0, 600), (1, 6), (0, 600)])
    found = novel_moments(novelty(rows, np.arange(1206.0)), 10)
    assert len(found) == 1
    assert 600 <= found[0].best <= 605
    assert (found[0].start, found[0].end) == (pytest.approx(599.5, abs=1.5), pytest.approx(605.5, abs=1.5))
    assert found[0].novelty > 10 * NOVEL


def test_night_and_what_comes_again_and_again_are_no_news() -> None:
    day = [(0, 100), (2, 5)] * 12  # every two minutes somebody passes
    rows = shown([*day, (1, 5), *[(3, 400), (4, 4), (3, 400)]])
    found = novel_moments(novelty(rows, np.arange(float(len(rows)))), 2)
    assert sorted(int(m.best) for m in found) == [pytest.approx(1262, abs=3), pytest.approx(1667, abs=3)]


def test_what_was_shown_the_day_before_is_no_news() -> None:
    rows, before = shown([(0, 300), (1, 8), (0, 300)]), shown([(0, 300), (1, 200), (0, 300)], seed=1)
    t = np.arange(608.0)
    assert len(novel_moments(novelty(rows, t), 5)) == 1
    assert novel_moments(novelty(rows, t, before), 5) == ()


def test_a_damaged_frame_and_a_still_picture_are_no_news() -> None:
    rows = shown([(0, 400)], noise=0.0)
    rows += 1e-4 * np.random.default_rng(0).normal(size=rows.shape).astype(np.float32)
    assert novel_moments(novelty(unit_rows(rows), np.arange(400.0)), 5) == ()
    assert len(novelty(rows[:0], np.zeros(0)).t) == 0
    assert novelty(rows[:1], np.zeros(1)).values.tolist() == [0.0]


def test_a_day_is_searched_by_its_stored_int8_rows() -> None:
    rows = shown([(0, 40_000), (1, 9), (0, 30_000)])
    steps, _ = quantize(rows)
    found = novelty(steps, np.arange(float(len(rows))))
    assert len(found.t) <= MOST_ROWS
    assert novel_moments(found, 1)[0].best == pytest.approx(40_004, abs=4)


def test_moments_of_one_story_are_one_and_the_highest_come_first() -> None:
    values = np.zeros(2000, np.float32)
    values[[100, 103, 900]] = 8.0, 9.0, 20.0
    found = novel_moments(Novelty(np.arange(2000.0), values), 5)
    assert [(m.best, m.novelty) for m in found] == [(900.0, 20.0), (103.0, 9.0)]
    assert novel_moments(Novelty(np.arange(2000.0), values), 1) == found[:1]
