"""Int8, pruning and distillation of networks, and what a config's ``quantize`` makes of them."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  # as everywhere in the field

from alignment.aligners.int8 import WIDE, Int8Linear, quantise
from alignment.aligners.trained.batches import Sample, collate
from alignment.aligners.trained.network import CrossAttention, ModelConfig
from alignment.options import OptionError
from alignment.training.distilling import Distiller, DistilOptions
from alignment.training.examples.data import Batches
from alignment.training.losses import Objective
from alignment.training.optimisers import OptimiserOptions
from alignment.training.pruning import pruned, stored_bytes
from alignment.training.task import AlignmentTask
from alignment.training.trainer import Trainer, TrainOptions
from alignment.training.validation import Validation
from tests.support.models.aligners import CALIBRATION, make_sample, random_network

SMALL = ModelConfig(width=8, heads=2, layers=1, window=20)
HELD_OUT = [make_sample(seed) for seed in range(900, 948)]
FAST = OptimiserOptions(lr=1e-2, warmup_steps=5)


def batches(step: int) -> Sequence[Sample]:
    return [make_sample(seed) for seed in range(24 * (step % 12), 24 * (step % 12) + 24)]


def distil(
    student: CrossAttention, steps: int, batches: Batches = batches, options: DistilOptions | None = None
) -> None:
    """Let the student learn from the teacher, in place."""
    taught = Distiller(student, teacher(), options)
    task = AlignmentTask(CALIBRATION)
    Trainer(taught, taught.loss, FAST, batches, task, TrainOptions(steps, eval_every=steps)).fit()


@cache
def teacher() -> CrossAttention:
    torch.manual_seed(1)
    model = CrossAttention(ModelConfig(width=16, heads=2, layers=1, window=20))
    criterion, task = Objective({"cross_entropy": 1.0}), AlignmentTask(CALIBRATION)
    Trainer(model, criterion, FAST, batches, task, TrainOptions(40, eval_every=40)).fit()
    return model


def sparsity(model: nn.Module) -> float:
    """The share of linear weights that are zero."""
    weights = torch.cat([m.weight.flatten() for m in model.modules() if isinstance(m, nn.Linear)])
    return float((weights == 0).float().mean())


def probabilities(model: nn.Module) -> torch.Tensor:
    batch, _ = collate(HELD_OUT, CALIBRATION)
    with torch.no_grad():
        p: torch.Tensor = model(batch).foreground.sigmoid()
    return p


def loss(model: nn.Module) -> float:
    return Validation(HELD_OUT, Objective({"plain_cross_entropy": 1.0}), CALIBRATION)(model)["loss"]


@pytest.mark.parametrize(("wide", "bias"), [(WIDE, True), (WIDE + 3, False), (48, True), (7, False)])
def test_an_int8_layer_answers_as_the_full_one(wide: int, bias: bool) -> None:
    torch.manual_seed(0)
    linear, x = nn.Linear(wide, 40, bias), torch.randn(2, 5, wide) * torch.logspace(-3, 3, 5)[:, None]
    x[0, 0] = 0
    with torch.no_grad():
        full, small = linear(x), Int8Linear(linear)(x)
    assert small.shape == full.shape
    assert torch.isfinite(small).all()
    assert ((small - full).norm(dim=-1) <= 0.02 * full.norm(dim=-1) + 1e-6).all()


def test_an_int8_network_answers_as_the_full_one_and_is_smaller() -> None:
    full, small = random_network(), quantise(random_network())
    assert not any(type(m) is nn.Linear for m in small.modules())
    p, q = probabilities(full), probabilities(small)
    assert p.std() > 0.1  # it does decide
    assert (p - q).abs().max() < 0.1
    assert (p - q).abs().mean() < 0.01
    assert stored_bytes(quantise(CrossAttention()))[0] < 0.4 * stored_bytes(CrossAttention())[0]


def test_a_layer_that_others_read_themselves_stays() -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    x = torch.randn(1, 3, 8)
    before = attention(x, x, x)[0]
    assert torch.equal(quantise(attention)(x, x, x)[0], before)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_pruning_reaches_its_share_over_all_layers_and_is_permanent(share: float) -> None:
    model = random_network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    small = pruned(model, share)
    assert sparsity(small) == pytest.approx(share, abs=1e-3)
    assert small.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    kept = torch.cat([m.weight[m.weight != 0].abs() for m in small.modules() if isinstance(m, nn.Linear)])
    lost = [
        before[f"{name}.weight"][m.weight == 0].abs() for name, m in small.named_modules() if isinstance(m, nn.Linear)
    ]
    assert not share or torch.cat(lost).max() <= kept.min()
    raw, deflated = stored_bytes(small)
    assert raw == stored_bytes(model)[0]  # a dense file holds its zeros
    assert deflated < (1 - 0.7 * share) * raw


def test_training_after_pruning_makes_up_for_it_and_leaves_it_pruned() -> None:
    def retrain(model: CrossAttention) -> None:
        distil(model, 20)

    rough, better = pruned(teacher(), 0.9), pruned(teacher(), 0.9, retrain)
    assert sparsity(better) >= 0.9 - 1e-3
    assert loss(better) < loss(rough)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_that_leaves_nothing_is_refused(share: float) -> None:
    with pytest.raises(OptionError, match="cannot be pruned"):
        pruned(random_network(), share)


def test_a_student_learns_what_its_teacher_knows() -> None:
    torch.manual_seed(2)
    student, untrained = CrossAttention(SMALL), CrossAttention(SMALL)
    known = {name: tensor.clone() for name, tensor in teacher().state_dict().items()}
    distil(student, 40)
    taught, least, raw = loss(student), loss(teacher()), loss(untrained)
    assert taught < least + 0.3 * (raw - least)
    p = probabilities(teacher())
    apart = [F.mse_loss(probabilities(m), p).item() for m in (student, untrained)]
    assert apart[0] < 0.3 * apart[1]
    assert all(torch.equal(tensor, known[name]) for name, tensor in teacher().state_dict().items())
    assert not student.training
    assert stored_bytes(student)[0] < 0.6 * stored_bytes(teacher())[0]


def test_a_student_learns_from_its_teacher_alone() -> None:
    torch.manual_seed(2)
    wrong = [Sample(s.window, s.query, np.zeros((0, 2))) for s in batches(0)]  # nothing is ever true
    student = CrossAttention(SMALL)
    distil(student, 30, lambda step: wrong, DistilOptions(soft=1.0))
    assert F.mse_loss(probabilities(student), probabilities(teacher())) < 0.02


@pytest.mark.parametrize("more", [{"soft": 1.5}, {"temperature": 0.0}])
def test_options_that_cannot_be_are_refused(more: dict[str, float]) -> None:
    with pytest.raises(OptionError, match="temperature"):
        DistilOptions(**more)
