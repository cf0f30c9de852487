"""The network: what it may depend on, and what it must not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from alignment.aligners.trained.batches import Batch, Outputs, Sample, make_batch
from alignment.aligners.trained.network import LOOKAHEAD, CrossAttention
from tests.support.models.aligners import (
    CALIBRATION,
    FRAME_DIM,
    SENTENCE_DIM,
    isometry,
    moved,
    named_sample,
    random_network,
    shipped_network,
)

CLIPS = 16
SAMPLES = [named_sample(seed, clips=CLIPS if seed % 2 else 13) for seed in range(8)]
NETWORKS = {"random": random_network(), "shipped or random": shipped_network()}


def batch_of(*samples: Sample) -> Batch:
    return make_batch([(s.window, s.query) for s in samples], CALIBRATION)


@torch.inference_mode()
def answer(*samples: Sample, model: CrossAttention = NETWORKS["random"]) -> Outputs:
    return model(batch_of(*samples))


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-4) -> None:
    np.testing.assert_allclose(a, b, atol=tolerance, rtol=tolerance)


def shown(sample: Sample, clip: int, row: np.ndarray) -> Sample:
    """Return a sample with another picture in one clip."""
    frames = sample.window.frames.copy()
    frames[clip] = row
    return replace(sample, window=replace(sample.window, frames=frames))


def test_every_output_has_its_shape_and_range() -> None:
    out = answer(*SAMPLES)
    assert out.foreground.shape == out.saliency.shape == (8, CLIPS)
    assert out.offsets.shape == (8, CLIPS, 2)
    assert out.offsets.min() >= 0
    assert out.shares.shape == (8, CLIPS, 3)
    close(out.shares.sum(-1), torch.ones(8, CLIPS))
    assert out.attention.shape == (8, CLIPS, 4)
    seen = batch_of(*SAMPLES).frame_mask
    close(out.attention.sum(-1), seen.float())


@pytest.mark.parametrize("width", [FRAME_DIM, 384, 512, 768])
@pytest.mark.parametrize("network", NETWORKS)
def test_only_inner_products_matter(network: str, width: int) -> None:
    maps = isometry(1, FRAME_DIM, width), isometry(2, SENTENCE_DIM, width)
    elsewhere = [replace(s, window=w, query=q) for s in SAMPLES for w, q in [moved(s.window, s.query, *maps)]]
    assert elsewhere[0].window.frames.shape == (13, width)
    here, there = (answer(*samples, model=NETWORKS[network]) for samples in (SAMPLES, elsewhere))
    for name in ("foreground", "offsets", "saliency", "shares", "attention"):
        close(getattr(here, name), getattr(there, name), 2e-3)
    assert here.foreground.std() > 0.1


def test_another_space_for_frames_alone_is_noticed() -> None:
    sample = SAMPLES[1]
    turned = replace(sample, window=replace(sample.window, frames=sample.window.frames @ isometry(1, 12, 12)))
    assert (answer(sample).saliency - answer(turned).saliency).abs().max() > 0.1


@pytest.mark.parametrize("clip", [6, 11])
def test_a_decision_rests_on_one_later_clip_and_no_more(clip: int) -> None:
    sample = named_sample(0, CLIPS)  # about what is seen
    before, after = answer(sample), answer(shown(sample, clip, -sample.query.vision[0]))
    first = clip - LOOKAHEAD
    for name in ("foreground", "offsets", "saliency", "attention"):
        a, b = getattr(before, name)[0], getattr(after, name)[0]
        close(a[:first], b[:first], 1e-6)
    changed = (before.foreground - after.foreground)[0].abs() > 1e-5
    assert changed[first : clip + 2].all()  # the past is remembered, too


def test_training_and_evaluation_agree() -> None:
    model = random_network(3)
    with torch.inference_mode():
        close(model.train()(batch_of(*SAMPLES)).foreground, model.eval()(batch_of(*SAMPLES)).foreground, 1e-6)


def test_every_weight_learns() -> None:
    model = random_network(4)
    out = model(batch_of(*SAMPLES))
    (out.saliency.square().mean() + out.offsets.mean() + out.foreground.square().mean()).backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_a_batch_answers_as_its_samples_do_one_by_one() -> None:
    few = named_sample(5, 7)
    few = replace(few, window=replace(few.window, speech=few.window.speech[:1], speech_t=few.window.speech_t[:1]))
    plain = replace(few.query, vision_words=few.query.vision_words[:0], vision_unlike=few.query.vision_unlike[:0])
    late = named_sample(6, 9)
    late = replace(late, window=replace(late.window, frame_mask=np.arange(9) > 3))  # at first nothing is seen
    samples = [SAMPLES[1], replace(few, query=plain), late]
    together = answer(*samples)
    for i, sample in enumerate(samples):
        alone, clips = answer(sample), len(sample.window.bounds)
        tokens = alone.attention.shape[2]
        for name in ("foreground", "offsets", "saliency", "shares"):
            close(getattr(together, name)[i, :clips], getattr(alone, name)[0])
        close(together.attention[i, :clips, :tokens], alone.attention[0])
        assert not together.attention[i, :, tokens:].any()


def without(sample: Sample, *absent: str) -> Sample:
    window, query = sample.window, sample.query
    if "frames" in absent:
        window = replace(window, frames=window.frames * 0, frame_mask=window.frame_mask & False)
    if "utterances" in absent:
        window = replace(window, speech=window.speech[:0], speech_t=window.speech_t[:0])
    if "sound" in absent:
        window = replace(window, sound_mask=window.sound_mask & False)
    if "names" in absent:
        query = replace(query, vocabulary=np.zeros((0, 0), np.float32), likeness=np.zeros(0, np.float32))
    return replace(sample, window=window, query=query)


@pytest.mark.parametrize(
    "absent",
    [("frames",), ("utterances",), ("sound",), ("names",), ("frames", "utterances", "sound", "names")],
    ids="+".join,
)
def test_what_is_missing_counts_as_not_there(absent: tuple[str, ...]) -> None:
    everything = [replace(s, query=replace(s.query, prior=np.ones(3, np.float32))) for s in SAMPLES]
    before = answer(*everything)
    after = answer(*(without(s, *absent) for s in everything))
    for tensor in (after.foreground, after.offsets, after.saliency, after.shares):
        assert torch.isfinite(tensor).all()
    if absent != ("names",):
        assert (after.foreground <= before.foreground + 1e-4).all()  # noisy-or: nothing less can mean more
    assert (after.foreground - before.foreground).abs().max() > 0.05
    for number, part in enumerate(("frames", "utterances", "sound")):
        if part in absent and len(absent) == 1:
            assert after.shares[..., number][after.foreground > -3].max() < 1e-2
    if len(absent) == 4:
        assert after.foreground.max() < -10


def test_a_modality_that_is_switched_off_has_no_say() -> None:
    sample = named_sample(0, CLIPS)
    said = replace(sample, query=replace(sample.query, prior=np.array([0, 1, 0], np.float32)))
    turned = shown(said, 6, -sample.query.vision[0])
    close(answer(said).foreground, answer(turned).foreground, 1e-6)
    assert answer(said).shares[..., [0, 2]].max() < 1e-2


def test_likeness_of_names_matters() -> None:
    sample = named_sample(0, CLIPS)
    other = replace(sample, query=replace(sample.query, likeness=np.roll(sample.query.likeness, 7)))
    assert (answer(sample).foreground - answer(other).foreground).abs().max() > 1e-3


def test_the_clip_bounds_alone_decide_which_words_count() -> None:
    sample = named_sample(1, CLIPS)  # what is asked for is said from 4 to 10 s
    later = replace(sample, window=replace(sample.window, bounds=sample.window.bounds + 3.0))
    mask = np.arange(CLIPS)
    before, after = answer(sample).foreground[0], answer(later).foreground[0]
    close(before[4:10], before[4].expand(6), 0.5)
    close(after[1:7], before[4:10], 0.5)
    assert before[mask == 2] < before[4]
