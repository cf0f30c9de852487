"""How much of a box has a colour: the only attribute of an object that is judged, and only for red and yellow.

A red car has red on a third of its box, other cars on none. Black, white and grey are no use: windows, shade and tyres
are a fifth to a half of the box of every car.
"""

from dataclasses import dataclass

import numpy as np

from alignment.types import F32
from workers.types import U8


@dataclass(frozen=True, slots=True)
class ColourRange:
    """Pixels of one colour: hue from ``start`` to ``end`` (degrees), least saturation and value.

    Saturation and value go from 0 to 1.
    """

    start: float
    end: float
    saturation: float
    value: float


RANGES = {
    "red": ColourRange(340, 14, 0.5, 0.25),
    "yellow": ColourRange(35, 70, 0.4, 0.4),
}


def colour_share(frame: U8, box: F32, colour: str) -> float:
    """Return the share, 0 to 1, of the pixels of ``box`` that have a colour; raise ``KeyError`` on an unknown colour.

    ``frame`` is u8[H, W, 3], RGB; ``box`` f32[4] is left, top, right, bottom, relative. A box without pixels has 0.
    """
    allowed = RANGES[colour]
    height, width = frame.shape[:2]
    left, top, right, bottom = np.rint(np.clip(box, 0, 1) * [width, height, width, height]).astype(int)
    hue, saturation, value = _hsv(frame[top:bottom, left:right])
    within = (hue - allowed.start) % 360 <= (allowed.end - allowed.start) % 360
    shown = within & (saturation >= allowed.saturation) & (value >= allowed.value)
    return float(shown.mean()) if shown.size else 0.0


def torso(box: F32) -> F32:
    """Return the part of a standing person's box f32[4] that a shirt covers."""
    left, top, right, bottom = box
    return np.array([left, top + 0.15 * (bottom - top), right, top + 0.6 * (bottom - top)], np.float32)


def _hsv(pixels: U8) -> tuple[F32, F32, F32]:
    """Return hue in degrees, saturation and value f32[H, W] of RGB pixels. The hue of grey is 0, its saturation too."""
    rgb = pixels.astype(np.float32) / 255
    value = rgb.max(axis=2)
    range_ = value - rgb.min(axis=2)
    step = np.where(range_ > 0, range_, 1)
    red, green, blue = np.moveaxis(rgb, 2, 0)
    turns = np.select(
        [range_ == 0, value == red, value == green],
        [np.zeros_like(value), (green - blue) / step, (blue - red) / step + 2],
        (red - green) / step + 4,
    )
    return 60 * turns % 360, range_ / np.where(value > 0, value, 1), value
