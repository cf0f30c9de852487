"""How much of a box has a colour: the only attribute of an object that is judged, and only for red and yellow.

A red car has red on a third of its box, other cars on none. Black, white and grey are no use: windows, shade and tyres
are a fifth to a half of the box of every car.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignment.types import F32, Bools
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


def colour_shares(frame: U8, boxes: F32, colours: Sequence[str]) -> F32:
    """Return f32[M, colours]: the shares, 0 to 1, of the pixels of each box that have each colour.

    ``frame`` is u8[H, W, 3], RGB; ``boxes`` f32[M, 4] are left, top, right, bottom, relative. A box without pixels has
    0. Raise ``KeyError`` on an unknown colour.
    """
    ranges = [RANGES[colour] for colour in colours]
    shares = np.zeros((len(boxes), len(ranges)), np.float32)
    height, width = frame.shape[:2]
    edges = np.rint(np.clip(boxes, 0, 1) * [width, height, width, height]).astype(int)
    edges = edges[(some := (edges[:, 2] > edges[:, 0]) & (edges[:, 3] > edges[:, 1]))]
    if not len(edges):
        return shares
    # Boxes overlap: each pixel around them all is judged once.
    left, top, *_ = edges.min(axis=0)
    *_, right, bottom = edges.max(axis=0)
    shown = _shown(frame[top:bottom, left:right], ranges)
    shares[some] = [shown[:, y0 - top : y1 - top, x0 - left : x1 - left].mean(axis=(1, 2)) for x0, y0, x1, y1 in edges]
    return shares


def torso(box: F32) -> F32:
    """Return the part of a standing person's box f32[4] that a shirt covers."""
    left, top, right, bottom = box
    return np.array([left, top + 0.15 * (bottom - top), right, top + 0.6 * (bottom - top)], np.float32)


def _shown(pixels: U8, ranges: Sequence[ColourRange]) -> Bools:
    """Return bool[ranges, H, W]: which pixels u8[H, W, 3] have a colour."""
    hue, saturation, value = _hsv(pixels)
    shown = np.zeros((len(ranges), *value.shape), bool)
    for mask, allowed in zip(shown, ranges, strict=True):
        mask[:] = (saturation >= allowed.saturation) & (value >= allowed.value)
        mask[mask] = (hue[mask] - allowed.start) % 360 <= (allowed.end - allowed.start) % 360
    return shown


def _hsv(pixels: U8) -> tuple[F32, F32, F32]:
    """Return hue in degrees, saturation and value f32[H, W] of RGB pixels. The hue of grey is 0, its saturation too."""
    red, green, blue = np.moveaxis(pixels, 2, 0).astype(np.float32) / np.float32(255)  # planes: ten times as fast
    value = np.maximum(np.maximum(red, green), blue)
    range_ = value - np.minimum(np.minimum(red, green), blue)
    step = np.where(range_ > 0, range_, np.float32(1))
    turns = np.where(
        value == red,
        (green - blue) / step,
        np.where(value == green, (blue - red) / step + np.float32(2), (red - green) / step + np.float32(4)),
    )
    return 60 * turns % 360, range_ / np.where(value > 0, value, np.float32(1)), value
