"""The share of red and yellow in a box."""

import colorsys

import numpy as np
import pytest

from workers.detectors.colour_share import RANGES, colour_shares, torso
from workers.types import U8

WHOLE = (0.0, 0.0, 1.0, 1.0)


def colour_share(frame: U8, box: tuple[float, ...], colour: str) -> float:
    """Return the share of one colour in one box."""
    return float(colour_shares(frame, np.array([box], np.float32), [colour])[0, 0])


@pytest.mark.parametrize("colour", RANGES)
def test_every_pixel_is_judged_as_by_the_standard_library(colour: str) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    pixels[:5] = pixels[:5, :, :1]  # grey
    allowed = RANGES[colour]
    shown = 0
    for red, green, blue in pixels.reshape(-1, 3) / 255:
        hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
        degrees = hue * 360
        turned = allowed.start > allowed.end
        within = (
            degrees >= allowed.start or degrees <= allowed.end if turned else allowed.start <= degrees <= allowed.end
        )
        shown += within and saturation >= allowed.saturation and value >= allowed.value
    assert colour_share(pixels, WHOLE, colour) == pytest.approx(shown / 2000, abs=1e-3)
    assert shown


def test_only_the_box_counts() -> None:
    frame = np.zeros((100, 200, 3), np.uint8)
    frame[20:60, 40:80] = (200, 20, 20)
    frame[60:, 150:] = (230, 210, 30)
    assert colour_share(frame, (0.2, 0.2, 0.4, 0.6), "red") == 1
    assert colour_share(frame, WHOLE, "red") == pytest.approx(0.08)
    assert colour_share(frame, WHOLE, "yellow") == pytest.approx(0.1)
    assert colour_share(frame, (0.5, 0.0, 0.7, 1.0), "red") == 0
    assert colour_share(frame, (-0.5, 0.2, 0.4, 0.6), "red") == pytest.approx(0.5)


def test_overlapping_boxes_and_empty_ones_are_measured_at_once_as_alone() -> None:
    rng = np.random.default_rng(6)
    frame = rng.integers(0, 256, (60, 90, 3), dtype=np.uint8)
    boxes = np.concatenate([rng.uniform(-0.2, 1.2, (20, 4)), [WHOLE]]).astype(np.float32)
    together = colour_shares(frame, boxes, ["yellow", "red"])
    alone = [[colour_share(frame, tuple(box), colour) for colour in ("yellow", "red")] for box in boxes]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert (together == 0).all(axis=1).any()
    assert (together > 0).all(axis=1).sum() > 3
    assert colour_shares(frame, boxes[:0], ["red"]).shape == (0, 1)


@pytest.mark.parametrize("box", [(0.5, 0.5, 0.5, 0.5), (0.8, 0.8, 0.2, 0.2), (1.5, 1.5, 2.0, 2.0)])
def test_a_box_without_pixels_has_no_colour(box: tuple[float, ...]) -> None:
    assert colour_share(np.full((10, 10, 3), (255, 0, 0), np.uint8), box, "red") == 0


def test_other_colours_are_an_error() -> None:
    with pytest.raises(KeyError, match="mauve"):
        colour_share(np.zeros((4, 4, 3), np.uint8), WHOLE, "mauve")


def test_a_torso_is_the_middle_of_a_person() -> None:
    np.testing.assert_allclose(torso(np.array([0.2, 0.1, 0.4, 0.9], np.float32)), [0.2, 0.22, 0.4, 0.58], rtol=1e-5)
