"""Zones cut out of frames, for encoders of whole pictures."""

import numpy as np
import pytest

from workers.encoders.cut_out import cut_out
from workers.types import Areas

FILL = (120, 110, 100)


def box(left: float, top: float, right: float, bottom: float) -> Areas:
    return (((left, top), (right, top), (right, bottom), (left, bottom)),)


def frame() -> np.ndarray:
    """Return a frame of 64 x 32 pixels: a red left half, a blue right one, and a green square within the left."""
    made = np.zeros((32, 64, 3), np.uint8)
    made[:, :32], made[:, 32:] = (200, 0, 0), (0, 0, 200)
    made[8:16, 8:16] = (0, 200, 0)
    return made


def test_the_zone_fills_the_picture() -> None:
    shown = cut_out(frame(), box(0.14, 0.28, 0.24, 0.48), FILL)
    assert shown is not None
    assert shown.shape == (32, 64, 3)
    green = (shown == (0, 200, 0)).all(axis=2)
    assert green[:, 20:42].all(), "enlarged, with its aspect ratio"
    assert (shown[:, :11] == FILL).all()
    assert (shown[:, 52:] == FILL).all()


def test_beside_its_edges_nothing_is_seen() -> None:
    shown = cut_out(frame(), (((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)),), FILL)
    assert shown is not None
    assert shown[0, 60, 2] == 200
    assert (shown[-1, 8:] == FILL).all()


def test_of_a_zone_at_the_edge_the_part_in_the_frame_is_shown() -> None:
    shown = cut_out(frame(), box(0.75, -0.5, 1.5, 2.0), FILL)
    assert shown is not None
    blue = (shown == (0, 0, 200)).all(axis=2)
    assert blue.sum() == pytest.approx(32 * 16, abs=40)
    assert cut_out(frame(), box(1.1, 0.0, 1.5, 1.0), FILL) is None
