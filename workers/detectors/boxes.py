"""Boxes in relative coordinates: overlap and non-maximum suppression."""

import numpy as np
from numpy.typing import NDArray

from alignment.types import F32

I64 = NDArray[np.int64]


def overlaps(boxes: F32) -> F32:
    """Return f32[M, M], the intersection over union of each pair of boxes f32[M, 4] (left, top, right, bottom)."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.maximum(high - low, 0.0).prod(axis=2)
    areas = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0).prod(axis=1)
    union = areas[:, None] + areas[None, :] - shared
    return np.asarray(shared / np.maximum(union, 1e-9), np.float32)


def suppress(boxes: F32, classes: I64, scores: F32, overlap: float = 0.5) -> I64:
    """Return the indices of the boxes that no better one of their class overlaps by ``overlap``, best first."""
    order = np.argsort(-scores, kind="stable")
    rivals = (overlaps(boxes[order]) >= overlap) & (classes[order][:, None] == classes[order][None, :])
    alive = np.ones(len(order), bool)
    for i in range(len(order)):
        if alive[i]:
            alive[i + 1 :] &= ~rivals[i, i + 1 :]
    return np.asarray(order[alive], np.int64)
