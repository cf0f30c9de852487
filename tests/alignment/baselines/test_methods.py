"""Whole methods: each learns eight samples by heart, ignores padding, and answers alike in training and evaluation."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from alignment.aligners.trained.batches import Outputs, Targets, collate
from alignment.baselines.decoding import decided, ranked
from alignment.baselines.fused import HEADS, FusedOptions
from alignment.baselines.fusion import FUSIONS, FusionSize
from alignment.baselines.moment_detr import MomentDetrOptions, MomentOutputs
from alignment.baselines.registry import METHODS, MethodOptions, build_method, freeze
from alignment.errors import FeatureError
from alignment.layers import SEQUENCE_ENCODERS
from alignment.options import OptionError
from alignment.training.losses import objective_for
from alignment.training.optimisers import OptimiserOptions, build_optimiser, clip_gradients
from tests.support.models.aligners import CALIBRATION, FRAME_DIM, SENTENCE_DIM, make_sample, make_samples

pytestmark = pytest.mark.timeout(60)  # loads models, or trains

SIZE = FusionSize(width=16, heads=2, hidden=32, layers=1, dropout=0.0)
DETR = MethodOptions("moment_detr", moment_detr=MomentDetrOptions(replace(SIZE, layers=2), queries=4))
EACH = {
    **{f: MethodOptions("fused", fused=FusedOptions(f, "none", size=SIZE)) for f in FUSIONS},
    **{e: MethodOptions("fused", fused=FusedOptions(over_time=e, size=SIZE)) for e in SEQUENCE_ENCODERS if e != "none"},
    "moment_detr": DETR,
    "watchword": MethodOptions(),
}
WEIGHTS = {"cross_entropy": 1.0, "span": 1.0, "contrastive": 0.5}


def build(options: MethodOptions) -> nn.Module:
    torch.manual_seed(0)
    return build_method(options, FRAME_DIM, SENTENCE_DIM)


def fit(method: nn.Module, steps: int, lr: float = 1e-2) -> tuple[float, float]:
    """Train on the eight samples; return the first and the last loss."""
    batch, targets = collate(make_samples(), CALIBRATION)
    objective, options = objective_for(method, WEIGHTS), OptimiserOptions(lr=lr)
    optimiser, schedule = build_optimiser(method.parameters(), options, steps)
    losses = []
    for _ in range(steps):
        total, _ = objective(method.train()(batch), targets)
        optimiser.zero_grad()
        total.backward()
        clip_gradients(method.parameters(), options)
        optimiser.step()
        schedule.step()
        losses.append(float(total.detach()))
    return losses[0], losses[-1]


@torch.no_grad()
def answer(method: nn.Module, samples: list) -> tuple[Outputs, Targets]:
    batch, targets = collate(samples, CALIBRATION)
    return method.eval()(batch), targets


@pytest.fixture(scope="module")
def fitted_detr() -> tuple[nn.Module, float, float]:
    """Moment-DETR that has learned the samples, its first and its last loss."""
    method = build(DETR)
    return method, *fit(method, 120, 5e-3)


SWEEP = [n if n in ("watchword", "moment_detr") else pytest.param(n, marks=pytest.mark.long) for n in EACH]


@pytest.mark.parametrize("name", SWEEP)
def test_every_method_learns_eight_samples(name: str, request: pytest.FixtureRequest) -> None:
    if name == "moment_detr":
        method, first, last = request.getfixturevalue("fitted_detr")
    else:
        method = build(EACH[name])
        first, last = fit(method, 60)
    assert last < 0.5 * first
    outputs, targets = answer(method, make_samples())
    right = ((outputs.foreground > 0) == (targets.foreground >= 0.5))[targets.clip_mask]
    assert float(right.float().mean()) > 0.95


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", EACH)
def test_a_gpu_answers_as_the_processor_does_and_gives_gradients(name: str) -> None:
    method, (batch, targets) = build(EACH[name]).eval(), collate(make_samples(), CALIBRATION)
    here = method(batch)
    there = method.cuda()(batch.to("cuda"))
    assert torch.allclose(there.foreground.cpu(), here.foreground, atol=1e-3)
    total, _ = objective_for(method, WEIGHTS)(method.train()(batch.to("cuda")), targets.to("cuda"))
    total.backward()
    assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in method.parameters())


@pytest.mark.parametrize("name", EACH)
def test_outputs_are_what_the_contract_says(name: str) -> None:
    method = build(EACH[name])
    batch, targets = collate(make_samples(), CALIBRATION)
    outputs, _ = answer(method, make_samples())
    b, t = targets.clip_mask.shape
    assert outputs.foreground.shape == outputs.saliency.shape == (b, t)
    assert outputs.offsets.shape == (b, t, 2)
    assert float(outputs.offsets.min()) >= 0
    assert torch.allclose(outputs.shares.sum(-1), torch.ones(b, t), atol=1e-5)
    assert outputs.attention.shape == (b, t, batch.tokens.shape[1])
    rows = outputs.attention.sum(-1)
    assert torch.allclose(rows[batch.frame_mask], torch.ones(1), atol=1e-4)
    assert not rows[~batch.frame_mask].any()
    assert not outputs.attention[~batch.token_mask[:, None].expand_as(outputs.attention)].any()


@pytest.mark.parametrize("name", EACH)
def test_padding_and_neighbours_in_the_batch_change_nothing(name: str) -> None:
    method, samples = build(EACH[name]), make_samples()
    together, targets = answer(method, samples)
    for i in (0, 4):  # 13 clips, padded to 16
        alone, _ = answer(method, [samples[i]])
        clips = int(targets.clip_mask[i].sum())
        for field in ("foreground", "offsets", "saliency", "shares"):
            assert torch.allclose(getattr(together, field)[i, :clips], getattr(alone, field)[0], atol=1e-4), field


@pytest.mark.parametrize("name", EACH)
def test_training_and_evaluation_answer_alike(name: str) -> None:
    method, (batch, targets) = build(EACH[name]), collate(make_samples(), CALIBRATION)
    if name == "transformer":
        for part in method.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
    trained = method.train()(batch)
    with torch.no_grad():
        evaluated = method.eval()(batch)
    for field in fields(Outputs):
        if field.name not in ("foreground", "offsets", "saliency"):
            continue
        a, b = getattr(trained, field.name)[targets.clip_mask], getattr(evaluated, field.name)[targets.clip_mask]
        assert torch.allclose(a, b, atol=1e-4), field.name


@pytest.mark.parametrize("name", ["fused", "moment_detr"])
def test_every_weight_gets_a_gradient(name: str) -> None:
    method = build(DETR if name == "moment_detr" else MethodOptions("fused", fused=FusedOptions(size=SIZE)))
    batch, targets = collate(make_samples(), CALIBRATION)
    total, parts = objective_for(method, WEIGHTS)(method(batch), targets)
    total.backward()
    assert not any(part.requires_grad for part in parts.values())
    idle = [n for n, p in method.named_parameters() if p.grad is None or not p.grad.any()]
    assert {name.removeprefix("heads.") for name in idle} <= {"saliency.bias"}  # saliencies are only compared


@pytest.mark.parametrize("name", EACH)
def test_a_description_without_words_and_a_window_without_evidence(name: str) -> None:
    sample = make_sample(2)
    unseen, unsaid = np.zeros((0, FRAME_DIM), np.float32), np.zeros((0, SENTENCE_DIM), np.float32)
    seen: dict[str, Any] = {"vision": unseen, "vision_unlike": unseen, "vision_words": unseen}
    said: dict[str, Any] = {"speech": unsaid, "speech_unlike": unsaid, "speech_words": unsaid}
    bare = replace(sample, query=replace(sample.query, **seen, **said, words=()))
    w = sample.window
    empty = replace(w, frame_mask=np.zeros_like(w.frame_mask), speech=w.speech[:0], speech_t=w.speech_t[:0])
    method = build(EACH[name])
    nothing, silent = replace(bare, window=empty), replace(make_sample(1), window=empty)
    for samples in ([nothing, make_sample(0)], [silent], [nothing]):
        outputs, _ = answer(method, samples)
        assert all(bool(torch.isfinite(getattr(outputs, f.name)).all()) for f in fields(outputs))


def test_features_of_another_encoder_are_refused() -> None:
    batch, _ = collate(make_samples(), CALIBRATION)
    for options in (EACH["cross_attention"], DETR):
        with pytest.raises(FeatureError, match="width 12, the method expects 13"):
            build_method(options, FRAME_DIM + 1, SENTENCE_DIM)(batch)


def test_heads_can_be_switched_off() -> None:
    options = MethodOptions("fused", fused=FusedOptions(heads=("foreground",), size=SIZE))
    method = build(options)
    outputs, _ = answer(method, make_samples())
    assert torch.equal(outputs.saliency, outputs.foreground)
    assert bool((outputs.offsets == 0.5).all())
    more = build(MethodOptions("fused", fused=FusedOptions(size=SIZE)))
    extra = sum(p.numel() for p in more.parameters()) - sum(p.numel() for p in method.parameters())
    assert extra == 3 * (16 + 1)


def test_frozen_parts_stay_as_they_are() -> None:
    method = build(MethodOptions("fused", fused=FusedOptions(size=SIZE)))
    left = freeze(method, ["seen.entry", "over_time"])
    assert left == sum(p.numel() for p in method.parameters() if p.requires_grad)
    before = {n: p.detach().clone() for n, p in method.named_parameters()}
    fit(method, 2)
    moved = {n for n, p in method.named_parameters() if not torch.equal(p, before[n])}
    assert moved
    assert not any(n.startswith(("seen.entry.", "over_time.")) for n in moved)
    with pytest.raises(OptionError, match="seen, said"):
        freeze(method, ["sean"])


def test_moments_stand_for_their_clips(fitted_detr: tuple[nn.Module, float, float]) -> None:
    method, *_ = fitted_detr
    samples = make_samples()
    outputs, _ = answer(method, samples)
    assert isinstance(outputs, MomentOutputs)
    bounds = samples[0].window.bounds
    best = ranked(outputs, 0, bounds)[0]
    assert best[:2] == pytest.approx((4.0, 10.0), abs=0.7)
    assert best[2] > 0.5
    assert [w[:2] for w in decided(outputs, 0, bounds)] == [pytest.approx((4.0, 10.0), abs=1.0)]
    assert decided(outputs, 3, samples[3].window.bounds) == []


def test_clips_propose_moments_by_their_offsets() -> None:
    z = torch.full((1, 8), -4.0)
    z[0, 2:5] = torch.tensor([1.0, 2.0, 1.5])
    middle = torch.arange(8) + 0.5
    offsets = torch.stack([middle - 2, 5 - middle], -1).clamp(min=0)[None]
    outputs = Outputs(z, offsets, z, torch.full((1, 8, 3), 1 / 3), torch.zeros(1, 8, 1))
    bounds = 10 + 2 * np.stack([np.arange(8), np.arange(1, 9)], 1).astype(float)
    found = ranked(outputs, 0, bounds)
    assert found[0] == pytest.approx((14.0, 20.0, 1 / (1 + np.exp(-2.0))), rel=1e-5)
    assert all(w[2] < 0.1 for w in found[1:])  # the other clips of the same moment are suppressed
    assert [w[:2] for w in decided(outputs, 0, bounds)] == [(14.0, 20.0)]


def test_names_nobody_knows_list_the_known_ones() -> None:
    for wrong in (
        lambda: MethodOptions("watchwrod"),
        lambda: FusedOptions(fusion="cros_attention"),
        lambda: FusedOptions(over_time="lstn"),
        lambda: FusedOptions(heads=("foreground", "ofsets")),
    ):
        with pytest.raises(OptionError, match="did you mean"):
            wrong()
    with pytest.raises(OptionError, match="foreground"):
        FusedOptions(heads=("offsets",))
    with pytest.raises(OptionError) as error:
        MethodOptions("detr")
    assert all(name in error.value.hint for name in METHODS)
    assert set(HEADS) == {"foreground", "offsets", "saliency"}
