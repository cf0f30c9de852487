"""Unit rows of every shape and precision."""

from typing import Any

import numpy as np
import pytest

from alignment.vectors import unit_rows


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(0, 3), (4, 3), (2, 4, 3)])
def test_rows_keep_their_direction_and_have_length_one(shape: tuple[int, ...], kind: type) -> None:
    rows: Any = np.random.default_rng(0).normal(scale=100, size=shape).astype(kind)
    unit = unit_rows(rows)
    assert unit.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(unit, axis=-1), 1, rtol=1e-6)
    np.testing.assert_allclose(unit * np.linalg.norm(rows, axis=-1, keepdims=True), rows, rtol=1e-5)


def test_rows_of_zeros_stay_zeros() -> None:
    rows = unit_rows(np.array([[0, 0], [3, 4]], np.float32))
    np.testing.assert_array_equal(rows, np.array([[0, 0], [0.6, 0.8]], np.float32))
