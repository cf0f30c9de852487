"""Operations on embeddings."""

import numpy as np

from alignment.types import F32, F64


def unit_rows(rows: F32 | F64) -> F32:
    """Return rows [..., D] with Euclidean length 1 as f32[..., D]; rows of zeros stay zeros."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9), np.float32)
