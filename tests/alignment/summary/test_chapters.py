"""Cuts where what is shown changes for longer, against the truth, and against trying all ways to cut."""

from itertools import combinations

import numpy as np
import pytest

from alignment.summary.chapters import MOST_ROWS, chapters, segment
from alignment.types import F32
from alignment.vectors import unit_rows
from tests.alignment.summary.test_novelty import shown


def test_changes_are_found_and_noise_is_none() -> None:
    rows = shown([(0, 20), (1, 11), (0, 30), (2, 15)])
    found = chapters(rows, np.arange(76.0), 76.0)
    assert [(c.start, c.end) for c in found] == [(0.0, 19.5), (19.5, 30.5), (30.5, 60.5), (60.5, 76.0)]
    assert all(c.start <= c.typical < c.end for c in found)
    assert len(chapters(shown([(0, 300)], noise=0.3), np.arange(300.0), 300.0)) == 1


def test_what_is_shown_shortly_is_no_chapter() -> None:
    rows = shown([(0, 60), (1, 2), (0, 60)])
    assert [(c.start, c.end) for c in chapters(rows, np.arange(122.0), 122.0)] == [(0.0, 122.0)]


def test_no_rows_and_few_rows() -> None:
    assert chapters(np.zeros((0, 8), np.float32), np.zeros(0), 5.0) == ()
    assert [(c.start, c.end) for c in chapters(shown([(0, 1)]), np.zeros(1), 0.5)] == [(0.0, 0.5)]


def test_hours_are_cut_as_well() -> None:
    rows = shown([(c % 5, 900) for c in range(8)])
    assert len(rows) > 5 * MOST_ROWS
    starts = [c.start for c in chapters(rows, np.arange(float(len(rows))), float(len(rows)))]
    assert starts == pytest.approx([900.0 * n for n in range(8)], abs=8)


def scatter(rows: F32, bounds: tuple[int, ...]) -> float:
    parts = [rows[a:b] for a, b in zip((0, *bounds), (*bounds, len(rows)), strict=True)]
    return sum(float(((p - p.mean(axis=0)) ** 2).sum()) for p in parts)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_cuts_of_that_number_scatter_less(seed: int) -> None:
    rows = unit_rows(np.random.default_rng(seed).normal(size=(12, 3)))
    found = segment(rows, 1, penalty=0.02)
    best = min(scatter(rows, bounds) for bounds in combinations(range(1, 12), len(found)))
    assert len(found) >= 2
    assert scatter(rows, found) == pytest.approx(best)
