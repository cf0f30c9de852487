"""Sound events: the highest weighted probability of the classes that each query asks for."""

from collections.abc import Sequence

import numpy as np

from alignment.types import F32


def heard(sound: F32, asked: Sequence[F32]) -> F32:
    """Return f32[Q, T]: each query's highest weight × probability; 0 where it asks for no class.

    ``sound`` f32[T, K], finite; ``asked`` f32[K] of each query. Only the classes that a query asks for are read: of 521
    they are a few.
    """
    out = np.zeros((len(asked), len(sound)), np.float32)
    for row, weights in zip(out, asked, strict=True):
        classes = np.flatnonzero(weights)
        if len(classes):
            row[:] = (sound[:, classes] * weights[classes]).max(axis=1)
    return out
