"""Overlap and suppression, against definitions in plain loops."""

import numpy as np
import pytest

from workers.detectors.boxes import overlaps, suppress


def boxes(seed: int, n: int = 80) -> np.ndarray:
    rng = np.random.default_rng(seed)
    corner, side = rng.random((n, 2)), 0.1 + rng.random((n, 2)) * 0.4
    return np.concatenate([corner, corner + side], axis=1).astype(np.float32)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


@pytest.mark.parametrize("seed", range(3))
def test_overlaps_are_intersections_over_unions(seed: int) -> None:
    b = boxes(seed)
    expected = [[overlap(x, y) for y in b] for x in b]
    np.testing.assert_allclose(overlaps(b), expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_a_box_stays_if_no_better_one_of_its_class_that_stays_overlaps_it(seed: int) -> None:
    b, rng = boxes(seed), np.random.default_rng(seed)
    scores, classes = rng.random(len(b)).astype(np.float32), rng.integers(0, 3, len(b))
    expected: list[int] = []
    for i in np.argsort(-scores):
        if all(classes[i] != classes[j] or overlap(b[i], b[j]) < 0.3 for j in expected):
            expected.append(int(i))
    assert suppress(b, classes, scores, 0.3).tolist() == expected
    assert 0 < len(expected) < len(b)


def test_boxes_without_area_overlap_nothing() -> None:
    flat = np.array([[0.2, 0.2, 0.2, 0.2], [0.2, 0.2, 0.2, 0.2]], np.float32)
    assert overlaps(flat).tolist() == [[0, 0], [0, 0]]
    assert suppress(flat[:0], np.zeros(0, np.int64), np.zeros(0, np.float32)).tolist() == []
