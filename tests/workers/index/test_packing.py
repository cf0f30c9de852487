"""What the index stores of an item is what the stream decides on, and it is close to what the models gave."""

import numpy as np
import pytest

from alignment.types import SOUND_CLASSES
from tests.support.recorded.index import TAPE, UPLOAD, alike, random_items
from workers.index.packing import packed, rounded, sizes, unpacked
from workers.index.tables import joined, selected, spans
from workers.items import AudioAnalysed, FrameAnswer, SegmentEnd, Transcript
from workers.types import SoundTags


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("tape", [TAPE, UPLOAD], ids=["live", "file"])
def test_items_come_back_as_they_were_decided(seed: int, tape) -> None:
    items = random_items(seed, tape=tape)
    columns = joined([packed(item) for item in items], sizes(tape))
    decided = [rounded(item, tape) for item in items]
    back = list(unpacked(columns, tape))
    assert len(back) == len(decided)
    assert all(map(alike, decided, back))


def test_rounding_is_fine_enough() -> None:
    for item in random_items(7, 200):
        near = rounded(item, TAPE)
        if isinstance(item, FrameAnswer):
            assert isinstance(near, FrameAnswer)
            assert np.array_equal(near.pts_s, item.pts_s)
            seen = np.isfinite(item.features).all(axis=1)
            assert np.array_equal(np.isfinite(near.features).all(axis=1), seen)
            step = np.abs(item.features[seen]).max(axis=1, keepdims=True) / 127
            assert (np.abs(near.features[seen] - item.features[seen]) <= step * 0.501).all()
            assert item.detections is not None
            assert near.detections is not None
            real = np.isfinite(item.detections[..., 1])
            assert np.array_equal(near.detections[..., 0], item.detections[..., 0])
            assert np.allclose(near.detections[real], item.detections[real], atol=0.006)  # boxes: 1.7 of 448 pixels
        elif isinstance(item, AudioAnalysed):
            assert isinstance(near, AudioAnalysed)
            assert near.start_s == item.start_s
            assert near.end_s == pytest.approx(item.end_s, abs=1e-4)
            assert near.settled_s == pytest.approx(item.settled_s, abs=1e-4)
            if item.tags is not None:
                assert near.tags is not None
                assert np.abs(near.tags.p - item.tags.p).max() < 0.0301
                loud = item.tags.p > 0.03
                assert np.abs(near.tags.p - item.tags.p)[loud].max(initial=0) < 0.002
        elif isinstance(item, Transcript):
            assert isinstance(near, Transcript)
            assert near.utterances == item.utterances


def test_ends_of_audio_are_exact_to_a_sample() -> None:
    tags = SoundTags(0, np.array([[0.48, 0.96], [0.96, 1.2]]), np.zeros((2, SOUND_CLASSES), np.float32))
    near = rounded(AudioAnalysed(0, 0.1, 0.1 + 16_001 / 16_000, float("inf"), tags), TAPE)
    assert isinstance(near, AudioAnalysed)
    assert near.end_s == 0.1 + 16_001 / 16_000
    assert near.settled_s == float("inf")
    assert near.tags is not None
    assert np.allclose(near.tags.t, tags.t, rtol=0, atol=1e-12)


def test_items_that_are_removed_leave_gaps() -> None:
    items = random_items(3, 60)
    columns = joined([packed(item) for item in items], sizes(TAPE))
    kept = np.random.default_rng(0).random(len(items)) < 0.6
    left = selected(columns, kept)
    back = list(unpacked(left, TAPE))
    wanted = [rounded(item, TAPE) for item, stays in zip(items, kept, strict=True) if stays]
    assert len(back) == len(wanted)
    assert all(map(alike, wanted, back))
    again = selected(left, np.zeros(len(items), bool))
    assert list(unpacked(again, TAPE)) == []
    assert again["rows"].sum() == len(items)
    assert all(at[-1] == 0 for table, at in spans(again).items() if table != "item")


def test_an_end_is_an_item() -> None:
    assert rounded(SegmentEnd(3), TAPE) == SegmentEnd(3)
