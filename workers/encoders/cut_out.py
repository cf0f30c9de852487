"""A zone as a picture of its own, for encoders that give one row for a whole picture (CLIP and its relatives)."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from workers.areas import outside
from workers.types import U8, Areas


def cut_out(frame: U8, areas: Areas, fill: Sequence[int]) -> U8 | None:
    """Return the smallest part of a frame u8[H, W, 3] that holds the areas, enlarged to the frame's size; None: none.

    The aspect ratio is that of the frame. What lies outside the areas has the colour ``fill``.
    """
    height, width = frame.shape[:2]
    inside = ~outside(areas, height, width)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return None
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    shown = np.where(inside[part][..., None], frame[part], np.array(fill, np.uint8))
    scale = max(shown.shape[0] / height, shown.shape[1] / width)
    canvas = np.full((round(height * scale), round(width * scale), 3), fill, np.uint8)
    top, left = (canvas.shape[0] - shown.shape[0]) // 2, (canvas.shape[1] - shown.shape[1]) // 2
    canvas[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    return np.asarray(Image.fromarray(canvas).resize((width, height), Image.Resampling.BILINEAR))
