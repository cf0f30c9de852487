"""Black out what lies outside the areas that a camera is asked to look at."""

import numpy as np
from numpy.typing import NDArray

from workers.areas import outside
from workers.types import U8, Areas


class Mask:
    """The areas of one camera. Call it with upright frames of any size, before anything else looks at them."""

    def __init__(self, areas: Areas) -> None:
        self._areas = areas
        self._outside: NDArray[np.bool_] | None = None

    def __call__(self, picture: U8) -> U8:
        """Return the whole frame u8[H, W, 3], black outside all areas."""
        size = picture.shape[:2]
        if self._outside is None or self._outside.shape != size:
            self._outside = outside(self._areas, *size)
        return np.where(self._outside[..., None], np.uint8(0), picture)
