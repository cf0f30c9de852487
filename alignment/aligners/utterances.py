"""Utterances on the time axis: passages, which clips an utterance covers, and the bounds of spoken events.

Utterances with short pauses form a passage: one sentence of a sonnet is less like "a sonnet" than the whole passage.
"""

import numpy as np

from alignment.types import F32, F64, MODALITIES, Bools
from alignment.vectors import unit_rows

PAUSE_S = 0.7  # utterances closer than this belong to one passage
PASSAGE_WEIGHT = 0.5  # of what a passage fits better than its utterance does
PASSAGE_HELP = 0.1  # cosine; with more, a strong neighbour would lift an unrelated utterance


def passages(embed: F32, t: F64) -> F32:
    """Return f32[S, D']: the mean direction of each utterance's passage, weighted by duration.

    Utterances f32[S, D'] in any order, their times f64[S, 2] in stream seconds.
    """
    if not len(t):
        return embed
    order = np.argsort(t[:, 0], kind="stable")
    begins = t[order][1:, 0] - np.maximum.accumulate(t[order, 1])[:-1] > PAUSE_S
    number = np.concatenate([[0], np.cumsum(begins)])[np.argsort(order)]
    same = (number[:, None] == number[None, :]).astype(np.float32)
    return unit_rows((same * (t[:, 1] - t[:, 0]).astype(np.float32)) @ embed)


COVERED = 0.5  # an utterance counts for a clip that shares at least this part of the shorter of the two


def cover(bounds: F64, speech_t: F64) -> Bools:
    """Return bool[T, S]: whether each utterance (f64[S, 2]) is spoken during each clip (f64[T, 2]), stream seconds."""
    shared = np.minimum(bounds[:, None, 1], speech_t[None, :, 1]) - np.maximum(bounds[:, None, 0], speech_t[None, :, 0])
    shorter = np.minimum((bounds[:, 1] - bounds[:, 0])[:, None], (speech_t[:, 1] - speech_t[:, 0])[None])
    return np.asarray((shared >= COVERED * shorter) & (shared > 0))


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
