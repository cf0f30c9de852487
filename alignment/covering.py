"""Which utterances are spoken during which clips."""

import numpy as np

from alignment.types import F64, Bools

COVERED = 0.5  # an utterance counts for a clip that shares at least this part of the shorter of the two


def cover(bounds: F64, speech_t: F64) -> Bools:
    """Return bool[T, S]: whether each utterance (f64[S, 2]) is spoken during each clip (f64[T, 2]), stream seconds."""
    shared = np.minimum(bounds[:, None, 1], speech_t[None, :, 1]) - np.maximum(bounds[:, None, 0], speech_t[None, :, 0])
    shorter = np.minimum((bounds[:, 1] - bounds[:, 0])[:, None], (speech_t[:, 1] - speech_t[:, 0])[None])
    return np.asarray((shared >= COVERED * shorter) & (shared > 0))
