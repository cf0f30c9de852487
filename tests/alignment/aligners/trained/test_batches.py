"""Samples as tensors: what is real, what is padding, and what is true."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from alignment.aligners.trained.batches import Sample, TokenKind, collate, make_batch
from alignment.types import EventQuery, FeatureWindow
from tests.support.models.aligners import CALIBRATION, FRAME_DIM, NAMES, SENTENCE_DIM, make_sample, named_sample, units

LONG, SHORT = named_sample(1, 16), named_sample(2, 9)  # about what is said, and what is heard


def truth(bounds: list[tuple[float, float]], *relevant: tuple[float, float]):
    sample = make_sample(0, len(bounds))
    window = replace(sample.window, bounds=np.array(bounds))
    targets = collate([Sample(window, sample.query, np.array(relevant).reshape(-1, 2))], CALIBRATION)[1]
    return targets.foreground[0].tolist(), targets.offsets[0].tolist()


def test_shorter_samples_are_padded_and_masked() -> None:
    query = replace(SHORT.query, vision=np.zeros((0, FRAME_DIM), np.float32))  # words and contrasts need a whole
    batch, targets = collate([LONG, Sample(SHORT.window, query, SHORT.relevant)], CALIBRATION)
    assert batch.frames.shape == (2, 16, FRAME_DIM)
    assert batch.utterances.shape == (2, 3, SENTENCE_DIM)
    assert batch.clip_mask.sum(1).tolist() == targets.clip_mask.sum(1).tolist() == [16, 9]
    assert batch.frame_mask.sum(1).tolist() == [15, 8]  # each lost its last frame
    assert batch.token_mask.sum(1).tolist() == [4, 0]
    assert batch.said_mask.sum(1).tolist() == [3, 3]
    for rows, mask in (
        (batch.frames, batch.frame_mask),
        (batch.tokens, batch.token_mask),
        (batch.covers.transpose(1, 2), batch.utterance_mask),
        (targets.offsets, targets.clip_mask),
    ):
        assert not rows[~mask].any()
    np.testing.assert_array_equal(batch.frames[1, :8], SHORT.window.frames[:8])
    assert not batch.covers[1, 9:].any()
    assert not batch.sound[1, 9:].any()


def test_tokens_are_the_description_its_words_and_its_contrasts() -> None:
    q = LONG.query
    batch = make_batch([(LONG.window, q)], CALIBRATION)
    kinds = [TokenKind.WHOLE, TokenKind.WORD, TokenKind.WORD, TokenKind.UNLIKE]
    assert batch.token_kind[0].tolist() == kinds
    rows = np.concatenate([q.vision, q.vision_words, q.vision_unlike])
    np.testing.assert_array_equal(batch.tokens[0], rows)
    np.testing.assert_allclose(batch.token_like[0], rows @ q.vision[0], atol=1e-6)
    assert batch.said_kind[0].tolist() == kinds[:3]
    np.testing.assert_array_equal(batch.said[0], np.concatenate([q.speech, q.speech_words]))
    np.testing.assert_array_equal(batch.vocabulary, NAMES)
    np.testing.assert_array_equal(batch.likeness[0], q.likeness)
    assert batch.prior.tolist() == [pytest.approx(q.prior.tolist())]
    assert batch.curves.tolist() == [[[10.0, 0.5], [10.0, 0.5], [20.0, pytest.approx(0.29)]]]


def test_a_token_counts_by_the_nearest_of_several_descriptions() -> None:
    both = np.eye(FRAME_DIM, dtype=np.float32)[:2]
    batch = make_batch([(LONG.window, replace(LONG.query, vision=both, vision_words=both[1:]))], CALIBRATION)
    assert batch.token_like[0, :3].tolist() == [1.0, 1.0, 1.0]


def test_an_encoder_without_names_gives_none() -> None:
    for none in (np.zeros((0, 0), np.float32), np.zeros((0, FRAME_DIM), np.float32)):
        query = replace(LONG.query, vocabulary=none, likeness=np.zeros(0, np.float32))
        batch = make_batch([(LONG.window, query)], CALIBRATION)
        assert batch.vocabulary.shape == (1, FRAME_DIM)
        assert not batch.vocabulary.any()
        assert batch.likeness.tolist() == [[0.0]]


def test_rows_that_are_not_finite_are_absent() -> None:
    frames, speech, sound = (x.copy() for x in (SHORT.window.frames, SHORT.window.speech, SHORT.window.sound))
    frames[2, 5], speech[1, 0], sound[4, 2] = np.nan, np.inf, np.nan
    window = replace(SHORT.window, frames=frames, speech=speech, sound=sound)
    batch = make_batch([(window, SHORT.query)], CALIBRATION)
    assert np.flatnonzero(~batch.frame_mask[0]).tolist() == [2, 8]
    assert batch.utterance_mask[0].tolist() == [True, False, True]
    assert np.flatnonzero(~batch.sound_mask[0]).tolist() == [4]
    for field in fields(batch):
        assert torch.isfinite(getattr(batch, field.name).float()).all(), field.name


def test_an_utterance_covers_the_clips_it_is_spoken_in() -> None:
    batch = make_batch([(LONG.window, LONG.query)], CALIBRATION)
    assert [np.flatnonzero(c).tolist() for c in batch.covers[0].T] == [[0, 1], [4, 5, 6, 7, 8, 9], [11, 12]]


def test_only_the_sound_that_is_asked_for_is_heard() -> None:
    sound = np.tile(np.array([0.9, 0.3, 0.6], np.float32), (16, 1))
    window = replace(LONG.window, sound=sound, sound_mask=np.arange(16) != 7)
    music = replace(LONG.query, sound=np.array([0, 1, 0], np.float32))
    batch = make_batch([(window, music), (window, LONG.query)], CALIBRATION)
    assert batch.sound[0, 0].item() == pytest.approx(0.3)
    assert batch.sound_mask.sum(1).tolist() == [15, 0]


def test_shares_and_offsets_by_hand() -> None:
    clips = [(0.0, 2.0), (2.0, 4.0), (4.0, 6.0), (6.0, 8.0)]
    share, offsets = truth(clips, (3.5, 7.0))
    assert share == [0.0, 0.25, 1.0, 0.5]
    assert offsets == [[0, 0], [0, 0], [0.75, 1.0], [1.75, 0.0]]  # in clips of 2 s, from 5 and 7 s


def test_of_two_windows_each_clip_is_told_its_own() -> None:
    clips = [(float(t), t + 1.0) for t in range(6)]
    share, offsets = truth(clips, (0.0, 2.0), (4.0, 6.0))
    assert share == [1, 1, 0, 0, 1, 1]
    assert offsets == [[0.5, 1.5], [1.5, 0.5], [0, 0], [0, 0], [0.5, 1.5], [1.5, 0.5]]


def test_what_never_happens_is_nowhere() -> None:
    share, offsets = truth([(0.0, 1.0), (1.0, 2.0)])
    assert not any(share)
    assert not np.any(offsets)


def test_a_window_in_which_nothing_is_said_and_nothing_seen() -> None:
    window: FeatureWindow = replace(
        SHORT.window, frame_mask=np.zeros(9, bool), speech=SHORT.window.speech[:0], speech_t=np.zeros((0, 2))
    )
    query: EventQuery = replace(SHORT.query, vision_words=units(np.random.default_rng(0), 0, FRAME_DIM))
    batch = make_batch([(window, query)], CALIBRATION)
    assert not batch.frame_mask.any()
    assert not batch.frames.any()
    assert batch.utterance_mask.tolist() == [[False]]
    assert not batch.covers.any()
