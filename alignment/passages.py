"""What is said in one breath belongs together: a sentence of a sonnet is less like "a sonnet" than the whole of it."""

import numpy as np

from alignment.types import F32, F64

BREATH_S = 0.7  # utterances closer than this belong to one passage
PASSAGE_WEIGHT = 0.5  # of what a passage fits better than its utterance does
PASSAGE_HELP = 0.1  # cosine; more would let a strong neighbour carry what has nothing to do with it


def passages(embed: F32, t: F64) -> F32:
    """Return f32[S, D']: the mean direction of what is said in one breath with each utterance, by duration.

    Utterances f32[S, D'] in any order, their times f64[S, 2] in stream seconds.
    """
    if not len(t):
        return embed
    order = np.argsort(t[:, 0], kind="stable")
    begins = t[order][1:, 0] - np.maximum.accumulate(t[order, 1])[:-1] > BREATH_S
    number = np.concatenate([[0], np.cumsum(begins)])[np.argsort(order)]
    same = (number[:, None] == number[None, :]).astype(np.float32)
    total = (same * (t[:, 1] - t[:, 0]).astype(np.float32)) @ embed
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(total / np.maximum(length, 1e-9), np.float32)
