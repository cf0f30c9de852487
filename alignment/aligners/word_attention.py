"""Attention of clips to the words of a description, computed from similarity alone."""

import numpy as np

from alignment.aligners.utterances import cover
from alignment.calibration import SimilarityCalibration
from alignment.types import F32, Bools, EventQuery, FeatureWindow


def word_attention(window: FeatureWindow, query: EventQuery, calibration: SimilarityCalibration) -> F32:
    """Return f32[T, W]: a softmax over the query's words of how well each alone explains a clip; 0 without evidence.

    A word counts by the better of what is seen and what is said during the clip, on the encoder's calibrated scale.
    """
    logits = np.full((len(window.bounds), len(query.words)), -np.inf, np.float32)
    if len(query.vision_words):
        seen: Bools = np.asarray(np.isfinite(window.frames).all(axis=1)) & window.frame_mask
        curve = calibration.vision
        scores = curve.scale * (np.where(seen[:, None], window.frames, 0) @ query.vision_words.T - curve.midpoint)
        logits[seen] = scores[seen]
    if len(query.speech_words) and len(window.speech):
        usable: Bools = np.asarray(np.isfinite(window.speech).all(axis=1))
        curve = calibration.speech
        scores = curve.scale * (np.where(usable[:, None], window.speech, 0) @ query.speech_words.T - curve.midpoint)
        covers = cover(window.bounds, window.speech_t) & usable  # [T, S]
        said = np.where(covers[:, :, None], scores[None], -np.inf).max(axis=1)
        logits = np.maximum(logits, said)
    return _softmax(logits)


def _softmax(logits: F32) -> F32:
    """Return the softmax of each row; rows without a finite entry are 0."""
    if not logits.size:
        return logits
    top = logits.max(axis=1, keepdims=True)
    e = np.where(np.isfinite(logits), np.exp(logits - np.where(np.isfinite(top), top, 0)), 0)
    return np.asarray(e / np.maximum(e.sum(axis=1, keepdims=True), 1e-9), np.float32)
