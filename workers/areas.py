"""Areas of a frame: polygons in shares of its sides, as pixels, cells and places of objects see them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from alignment.types import F32, F64, Bools, Detections
from workers.types import Areas, Box, Polygon

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
FRAME: Areas = (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)),)
GRID = 256
INSIDE = 1e-3  # how far within the frame an object stands whose box ends at the frame's edge
LOGIT, BOX = 1, slice(2, 6)  # columns of detections


def outside(areas: Areas, height: int, width: int) -> NDArray[np.bool_]:
    """Return bool[H, W]: which pixels lie outside all areas, whose edges belong to them."""
    drawn = Image.new("1", (width, height))
    for area in areas:
        ImageDraw.Draw(drawn).polygon([(x * width - 0.5, y * height - 0.5) for x, y in area], fill=1)
    return ~np.asarray(drawn)


def coverage(areas: Areas, height: int, width: int, cell: int) -> F32:
    """Return f32[H / cell, W / cell]: the share of each cell of ``cell`` x ``cell`` pixels that lies in the areas."""
    inside = ~outside(areas, height, width)
    cells = inside.reshape(height // cell, cell, width // cell, cell)
    return np.asarray(cells.mean(axis=(1, 3)), np.float32)


def overlap(some: Areas, others: Areas) -> bool:
    """Return whether two parts of a frame share more than an edge, to 1/256 of its sides."""
    return bool((~outside(some, GRID, GRID) & ~outside(others, GRID, GRID)).any())


def contains(areas: Areas, points: F64) -> Bools:
    """Return bool[N]: whether any of the areas contains each point f64[N, 2] (even-odd rule)."""
    found = np.zeros(len(points), bool)
    x, y = points.T[..., None]
    for area in areas:
        corners = np.array(area)
        (x0, y0), (x1, y1) = corners.T, np.roll(corners, -1, axis=0).T
        spans = (y0 > y) != (y1 > y)  # [N, edges]
        rise = np.where(y1 == y0, 1.0, y1 - y0)
        found |= (spans & (x < x0 + (y - y0) * (x1 - x0) / rise)).sum(axis=1) % 2 == 1
    return found


def standing_in(detections: Detections, areas: Areas) -> Detections:
    """Return f32[..., M, 8] without the objects that stand elsewhere: by the middle of a box's lower edge.

    A box that ends at the edge of the frame stands just within it.
    """
    left, _, right, bottom = np.moveaxis(detections[..., BOX], -1, 0)
    feet = np.stack([(left + right) / 2, bottom], axis=-1).reshape(-1, 2).astype(np.float64)
    there = contains(areas, np.clip(feet, INSIDE, 1 - INSIDE)).reshape(left.shape)
    kept = detections.copy()
    kept[~there] = -np.inf
    return kept


def as_seen(areas: Areas, view: Box) -> Areas:
    """Return areas of a whole frame in shares of its part ``view``: below 0 or above 1 where they lie beside it."""
    left, top, right, bottom = view
    return tuple(tuple(((x - left) / (right - left), (y - top) / (bottom - top)) for x, y in area) for area in areas)


def crosses_itself(area: Polygon) -> bool:
    """Return whether any two edges of a polygon cross; to touch is not to cross."""
    edges = [*zip(area, (*area[1:], area[0]), strict=True)]
    return any(_cross(*edges[i], *edges[j]) for i in range(len(edges)) for j in range(i))


def _cross(a: Sequence[float], b: Sequence[float], c: Sequence[float], d: Sequence[float]) -> bool:
    return _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0


def _side(a: Sequence[float], b: Sequence[float], p: Sequence[float]) -> float:
    """Return a number whose sign tells on which side of the line from ``a`` to ``b`` a point lies."""
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
