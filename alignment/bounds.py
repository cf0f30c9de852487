"""Where a span that begins or ends with a clip really begins or ends."""

import numpy as np

from alignment.covering import COVERED
from alignment.types import F32, F64, MODALITIES, Bools

SPEECH = MODALITIES.index("speech")


def word_bounds(clips: F64, speech_t: F64, covers: Bools, said: F32, parts: F32) -> F64:
    """Return f64[T, Q, 2]: the clips' own bounds; where speech decides, those of the words that begin or end there.

    Clips f64[T, 2], utterances speech_t f64[S, 2], covers bool[T, S], said f32[S, Q] probability of each utterance,
    parts f32[T, Q, 3] of each modality. An utterance that goes on beyond the neighbouring clip does not begin or end
    here.
    """
    out = np.repeat(clips[:, None, :], said.shape[1], axis=1)
    if not len(said):
        return out
    speaks = (parts.argmax(axis=-1) == SPEECH) & (parts[..., SPEECH] > 0)
    asked = np.flatnonzero(speaks.any(axis=0))
    if not len(asked):
        return out
    words = covers[:, :, None] & (said[None, :, asked] >= COVERED * parts[:, None, asked, SPEECH])  # [T, S, Q']
    start = np.where(words, speech_t[None, :, None, 0], np.inf).min(axis=1)
    end = np.where(words, speech_t[None, :, None, 1], -np.inf).max(axis=1)
    begin, finish = clips[:, None, 0], clips[:, None, 1]
    hop = finish - begin
    out[:, asked, 0] = np.where(speaks[:, asked] & (start > begin - hop), start, begin)
    out[:, asked, 1] = np.where(speaks[:, asked] & (end < finish + hop), end, finish)
    return out
