"""Areas of a frame: what lies in them, in pixels, in cells and as places where objects stand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.areas import as_seen, contains, coverage, crosses_itself, outside, standing_in
from workers.types import FrameSpec, Polygon

LEFT: Polygon = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
ARROW: Polygon = ((0.1, 0.1), (0.9, 0.5), (0.1, 0.9), (0.4, 0.5))  # with a notch
share = st.floats(0, 1)


@pytest.mark.parametrize("area", [LEFT, ARROW])
def test_points_and_pixels_agree(area: Polygon) -> None:
    rows, columns = np.mgrid[:90, :160]
    centres = np.stack([(columns + 0.5) / 160, (rows + 0.5) / 90], axis=-1).reshape(-1, 2)
    pixels = ~outside((area,), 90, 160)
    assert (contains((area,), centres) != pixels.ravel()).mean() < 0.02  # but for the edge itself


def test_any_of_several_areas_is_enough() -> None:
    points = np.array([[0.2, 0.5], [0.6, 0.5], [0.6, 0.9]])
    assert contains((LEFT, ARROW), points).tolist() == [True, True, False]
    assert contains((), points).tolist() == [False] * 3


@given(st.lists(st.tuples(share, share), min_size=3, max_size=8))
def test_an_area_within_the_frame_covers_a_cell(corners: list[tuple[float, float]]) -> None:
    assert coverage((tuple(corners),), 256, 448, 32).sum() > 0


def test_cells_are_covered_in_part() -> None:
    shares = coverage((((0.0, 0.0), (3 / 8, 0.0), (3 / 8, 1.0), (0.0, 1.0)),), 64, 128, 32)
    assert shares.shape == (2, 4)
    np.testing.assert_allclose(shares[0], [1.0, 0.5, 0.0, 0.0], atol=0.05)


def objects(*boxes: tuple[float, float, float, float]) -> np.ndarray:
    rows = np.full((2, 4, 8), -np.inf, np.float32)
    for i, box in enumerate(boxes):
        rows[:, i] = [i, 1.0, *box, 0.2, 0.0]
    return rows


def test_objects_stand_where_the_middle_of_their_lower_edge_is() -> None:
    found = objects(
        (0.3, 0.1, 0.6, 0.9),  # stands at .45
        (0.3, 0.1, 0.8, 0.9),  # reaches into the area, stands at .55
        (0.0, 0.2, 0.1, 1.0),  # ends with the frame
    )
    kept = standing_in(found, (LEFT,))
    assert kept[0, :, 1].tolist() == kept[1, :, 1].tolist() == [1.0, -np.inf, 1.0, -np.inf]
    np.testing.assert_array_equal(kept[:, [0, 2]], found[:, [0, 2]])
    assert found[0, 1, 1] == 1.0, "a copy"


def test_a_foot_at_the_edge_of_the_frame_is_within_an_area_that_reaches_it() -> None:
    corner: Polygon = ((0.8, 0.8), (1.0, 0.8), (1.0, 1.0), (0.8, 1.0))
    assert standing_in(objects((1.0, 0.5, 1.0, 1.0)), (corner,))[0, 0, 1] == 1.0


def test_areas_of_a_frame_whose_centre_is_cut_out() -> None:
    view = FrameSpec(224, 224, "crop").view(1280, 720)
    assert view == pytest.approx((0.21875, 0.0, 0.78125, 1.0))
    ((corner, *_),) = as_seen((((0.5, 0.5), (1.0, 0.0), (1.0, 1.0)),), view)
    assert corner == pytest.approx((0.5, 0.5))
    assert FrameSpec(224, 224, "crop").view(720, 1280) == pytest.approx((0.0, 0.21875, 1.0, 0.78125))


@pytest.mark.parametrize("spec", [FrameSpec(224, 224, "squash"), FrameSpec(256, 256, "whole")])
def test_of_other_frames_all_is_seen(spec: FrameSpec) -> None:
    assert spec.view(1280, 720) == (0.0, 0.0, 1.0, 1.0)


def test_of_a_very_long_frame_the_ends_are_not_seen() -> None:
    left, top, right, bottom = FrameSpec(256, 256, "whole").view(2000, 250)
    assert (left, top, right, bottom) == pytest.approx((0.25, 0.0, 0.75, 1.0))


@pytest.mark.parametrize(
    ("area", "crosses"),
    [
        (LEFT, False),
        (ARROW, False),
        (((0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)), True),
        (((0.0, 0.0), (1.0, 0.0), (0.5, 0.5), (1.0, 1.0), (0.0, 1.0), (0.5, 0.5)), False),  # touches itself
    ],
)
def test_edges_that_cross_are_noticed(area: Polygon, crosses: bool) -> None:
    assert crosses_itself(area) is crosses
