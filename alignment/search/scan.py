"""Exact inner products of stored rows with a few texts or images, in chunks that fit the cache of a core."""

import numpy as np

from alignment.errors import FeatureError
from alignment.search.embedding_store import I8
from alignment.types import F32

CHUNK_ROWS = 512  # of 384 numbers: converted to float32 they take 0.8 MB


def best_products(values: F32 | I8, scale: F32, wanted: F32) -> F32:
    """Return f32[N]: the highest inner product of each row, ``values · scale``, with any row of ``wanted`` f32[P, D].

    One core takes 0.1 s for a million rows of 384 numbers in int8. Raise ``FeatureError`` if widths differ.
    """
    if wanted.shape[1] != values.shape[1]:
        raise FeatureError(
            f"the query has width {wanted.shape[1]}, the store {values.shape[1]}", "embed both with one encoder"
        )
    out = np.empty(len(values), np.float32)
    texts, room = wanted.T.astype(np.float32), np.empty((CHUNK_ROWS, values.shape[1]), np.float32)
    for first in range(0, len(out), CHUNK_ROWS):
        part = slice(first, first + CHUNK_ROWS)
        rows = room[: len(values[part])]
        np.copyto(rows, values[part])
        out[part] = (rows @ texts).max(axis=1) * scale[part]
    return out
