from dataclasses import replace

import numpy as np
import pytest
import torch

from alignment.aligners.trained.batches import Sample, collate
from alignment.options import OptionError
from alignment.training.examples.augment import AUGMENTATIONS, MIXES, Augmenter, augmented
from alignment.training.examples.image_augment import IMAGE_AUGMENTATIONS, ImageAugmenter
from tests.support.models.aligners import CALIBRATION, make_sample, make_samples

EVENT = (4.0, 10.0)


def inside(sample: Sample) -> np.ndarray:
    middle = sample.window.bounds.mean(axis=1)
    return ((middle[:, None] > sample.relevant[:, 0]) & (middle[:, None] < sample.relevant[:, 1])).any(axis=1)


def shows(sample: Sample) -> np.ndarray:
    """Return the clips of a sample whose frames are the very thing that is asked for."""
    return (sample.window.frames @ sample.query.vision[0] > 0.999) & sample.window.frame_mask


def check(sample: Sample) -> None:
    w = sample.window
    clips = len(w.bounds)
    assert {len(w.frames), len(w.frame_mask), len(w.sound), len(w.sound_mask)} == {clips}
    assert clips
    assert len(w.speech) == len(w.speech_t)
    assert (np.diff(w.bounds[:, 0]) > 0).all()
    assert (sample.relevant[:, 0] < sample.relevant[:, 1]).all()
    assert np.allclose(np.linalg.norm(w.frames[w.frame_mask], axis=1), 1, atol=1e-5)
    assert not w.frames[~w.frame_mask].any()
    collate([sample], CALIBRATION)


@pytest.mark.parametrize("name", [*AUGMENTATIONS, *MIXES])
def test_every_augmentation_gives_whole_samples_and_is_repeatable(name: str) -> None:
    samples = make_samples()
    augment = Augmenter({name: 1.0})
    changed = augment(samples, np.random.default_rng(3))
    again = augment(samples, np.random.default_rng(3))
    for a, b in zip(changed, again, strict=True):
        check(a)
        assert np.array_equal(a.window.frames, b.window.frames)
        assert np.array_equal(a.relevant, b.relevant)


@pytest.mark.parametrize("name", ["time_crop", "time_jitter"])
@pytest.mark.parametrize("seed", range(20))
def test_labels_follow_the_time(name: str, seed: int) -> None:
    sample = make_sample(0)
    changed = AUGMENTATIONS[name](sample, np.random.default_rng(seed))
    seen = changed.window.frame_mask
    agree = shows(changed)[seen] == inside(changed)[seen]
    assert (~agree).sum() <= (2 if name == "time_jitter" else 0)  # a stretched edge may fall within a clip


def test_a_stretched_stream_is_slower_or_faster() -> None:
    sample = make_sample(0)
    lengths = []
    for seed in range(20):
        changed = AUGMENTATIONS["time_jitter"](sample, np.random.default_rng(seed))
        lengths.append(float((changed.relevant[:, 1] - changed.relevant[:, 0]).sum()))
        assert changed.relevant[0, 0] / lengths[-1] == pytest.approx(4 / 6, rel=1e-6)
    assert min(lengths) < 5.5
    assert max(lengths) > 6.5
    speech = changed.window.speech_t[1] if len(changed.window.speech_t) > 1 else None
    assert speech is not None
    assert np.allclose(speech, changed.relevant[0])


def test_speech_ends_with_the_crop() -> None:
    sample = make_sample(1)
    for seed in range(10):
        w = AUGMENTATIONS["time_crop"](sample, np.random.default_rng(seed)).window
        assert (w.speech_t[:, 0] >= w.bounds[0, 0]).all()
        assert (w.speech_t[:, 1] <= w.bounds[-1, 1]).all()


def test_dropouts_lose_about_the_share_they_should() -> None:
    sample = make_sample(0, clips=400)
    lost = ~AUGMENTATIONS["frame_dropout"](sample, np.random.default_rng(0)).window.frame_mask
    assert 0.1 < lost.mean() < 0.2
    kept = [AUGMENTATIONS["token_dropout"](sample, np.random.default_rng(s)).query for s in range(50)]
    assert {len(q.words) for q in kept} == {1, 2}
    assert all(len(q.words) == len(q.vision_words) == len(q.speech_words) for q in kept)


def test_noise_turns_rows_a_little() -> None:
    sample = make_sample(0)
    w = AUGMENTATIONS["noise"](sample, np.random.default_rng(0)).window
    seen = w.frame_mask
    cosine = (w.frames * sample.window.frames).sum(axis=1)[seen]
    assert cosine.min() > 0.9
    assert cosine.max() < 1.0


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_modality_asked_for_is_never_lost(seed: int) -> None:
    sample = make_sample(seed)
    lost = set()
    for s in range(20):
        w = AUGMENTATIONS["modality_dropout"](sample, np.random.default_rng(s)).window
        gone = {m for m, left in enumerate((w.frame_mask.any(), len(w.speech), w.sound_mask.any())) if not left}
        assert len(gone) == 1
        lost |= gone
    assert lost == {0, 1, 2} - {seed}


@pytest.mark.parametrize("seed", range(10))
def test_a_splice_keeps_the_first_streams_description(seed: int) -> None:
    a, b = make_sample(0), make_sample(4)
    changed = MIXES["splice"](a, b, np.random.default_rng(seed))
    check(changed)
    assert changed.query is a.query
    assert len(changed.window.bounds) == len(a.window.bounds)
    assert np.array_equal(shows(changed), inside(changed))


@pytest.mark.parametrize("seed", range(10))
def test_a_splice_of_two_streams_asked_for_the_same_keeps_both_windows(seed: int) -> None:
    a = make_sample(0)
    frames = np.roll(a.window.frames, 3, axis=0)
    b = replace(
        a, window=replace(a.window, frames=frames, frame_mask=np.roll(a.window.frame_mask, 3)), relevant=a.relevant + 3
    )
    changed = MIXES["splice"](a, b, np.random.default_rng(seed))
    seen = changed.window.frame_mask
    assert np.array_equal(shows(changed)[seen], inside(changed)[seen])


def test_a_blend_stays_nearer_to_the_first_stream() -> None:
    a, b = make_sample(0), make_sample(4)
    w = MIXES["blend"](a, b, np.random.default_rng(0)).window
    both = a.window.frame_mask & b.window.frame_mask
    assert ((w.frames * a.window.frames).sum(1) > (w.frames * b.window.frames).sum(1))[both].all()
    assert not np.allclose(w.frames[both], a.window.frames[both])


def test_batches_are_augmented_by_their_step() -> None:
    batches = augmented(lambda step: make_samples(), Augmenter({"noise": 0.5}), seed=1)
    first, again, second = batches(0), batches(0), batches(1)
    frames = [[s.window.frames for s in batch] for batch in (first, again, second)]
    assert all(np.array_equal(a, b) for a, b in zip(frames[0], frames[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(frames[0], frames[2], strict=True))
    untouched = [np.array_equal(f, s.window.frames) for f, s in zip(frames[0], make_samples(), strict=True)]
    assert 0 < sum(untouched) < len(untouched)


@pytest.mark.parametrize("wrong", [{"noize": 1.0}, {"noise": 1.5}])
def test_augmentations_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(OptionError):
        Augmenter(wrong)


@pytest.mark.parametrize("name", IMAGE_AUGMENTATIONS)
def test_images_change_and_keep_their_size_and_range(name: str) -> None:
    torch.manual_seed(0)
    images = torch.rand(6, 3, 20, 20)
    changed = ImageAugmenter([name], 20)(images)
    assert changed.shape == images.shape
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 1
    assert not torch.equal(changed, images)


def test_images_come_out_at_the_size_asked_for() -> None:
    torch.manual_seed(0)
    assert ImageAugmenter(["crop", "flip"], 16)(torch.rand(2, 3, 40, 30)).shape == (2, 3, 16, 16)
    with pytest.raises(OptionError, match="crops"):
        ImageAugmenter(["crops"], 16)
