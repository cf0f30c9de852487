"""Novelty frame by frame."""

import time

import numpy as np

from alignment.summary.novelty import NOVEL
from alignment.summary.running import LEAST_FRAMES, RunningNovelty
from alignment.types import F32
from tests.alignment.summary.test_novelty import shown


def novelties(rows: F32) -> np.ndarray:
    running = RunningNovelty()
    return np.array([running.add(row) for row in rows])


def test_what_is_shown_once_is_novel_from_its_first_frame_on_and_what_is_usual_is_not() -> None:
    found = novelties(shown([(0, 600), (1, 6), (0, 1400), (1, 6)]))
    assert (found[600:606] > 5 * NOVEL).all()
    usual = np.delete(found, np.r_[600:606, 2006:2012])
    twice = (usual[1:] >= NOVEL) & (usual[:-1] >= NOVEL)
    assert twice.sum() <= 2
    assert (found[:LEAST_FRAMES] == 0).all()


def test_what_comes_again_and_again_becomes_usual() -> None:
    found = novelties(shown([(0, 400), *[(1, 5), (0, 45)] * 40]))
    assert found[400] > 5 * NOVEL
    assert found[-50] < NOVEL


def test_a_frame_takes_little_time_and_memory_is_bounded() -> None:
    running, rows = RunningNovelty(), np.random.default_rng(0).normal(size=(3000, 385)).astype(np.float32)
    for row in rows[:2000]:
        running.add(row)
    began = time.thread_time()
    for row in rows[2000:]:
        running.add(row)
    assert (time.thread_time() - began) / 1000 < 0.003
