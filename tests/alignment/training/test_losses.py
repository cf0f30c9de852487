import math

import pytest
import torch
from torch import Tensor

from alignment.aligners.trained.batches import Outputs, Targets
from alignment.options import OptionError
from alignment.training.losses import LOSSES, TEMPERATURE, Objective, generalised_iou, objective_for


def outputs(z: Tensor, s: Tensor | None = None, offsets: Tensor | None = None) -> Outputs:
    b, t = z.shape
    return Outputs(
        foreground=z,
        offsets=torch.ones(b, t, 2) if offsets is None else offsets,
        saliency=z if s is None else s,
        shares=torch.full((b, t, 3), 1 / 3),
        attention=torch.zeros(b, t, 1),
    )


def targets(y: list[list[float]], mask: list[list[bool]] | None = None, offsets: Tensor | None = None) -> Targets:
    foreground = torch.tensor(y)
    real = torch.ones_like(foreground, dtype=torch.bool) if mask is None else torch.tensor(mask)
    return Targets(foreground, torch.ones(*foreground.shape, 2) if offsets is None else offsets, real)


def bce(z: float, y: float) -> float:
    p = 1 / (1 + math.exp(-z))
    return -y * math.log(p) - (1 - y) * math.log(1 - p)


Z = torch.tensor([[2.0, -1.0, 0.5, 0.0]])
Y = targets([[1.0, 0.0, 0.0, 0.75]])


def test_mse_is_the_mean_squared_error_of_probabilities() -> None:
    p = [1 / (1 + math.exp(-z)) for z in Z[0].tolist()]
    expected = sum((a - b) ** 2 for a, b in zip(p, [1, 0, 0, 0.75], strict=True)) / 4
    assert float(LOSSES["mse"](outputs(Z), Y)) == pytest.approx(expected, rel=1e-5)


def test_cross_entropy_counts_both_classes_alike() -> None:
    inside = (bce(2, 1) + bce(0, 0.75)) / 2
    outside = (bce(-1, 0) + bce(0.5, 0)) / 2
    assert float(LOSSES["cross_entropy"](outputs(Z), Y)) == pytest.approx((inside + outside) / 2, rel=1e-5)
    rare = targets([[1.0, 0.0, 0.0, 0.0]])
    outside = (bce(-1, 0) + bce(0.5, 0) + bce(0, 0)) / 3
    assert float(LOSSES["cross_entropy"](outputs(Z), rare)) == pytest.approx((bce(2, 1) + outside) / 2, rel=1e-5)


def test_plain_cross_entropy_counts_clips_alike() -> None:
    expected = (bce(2, 1) + bce(-1, 0) + bce(0.5, 0) + bce(0, 0.75)) / 4
    assert float(LOSSES["plain_cross_entropy"](outputs(Z), Y)) == pytest.approx(expected, rel=1e-5)


def test_focal_loss_weighs_by_the_squared_error() -> None:
    def one(z: float, y: float) -> float:
        return (y - 1 / (1 + math.exp(-z))) ** 2 * bce(z, y)

    expected = (one(2, 1) + one(-1, 0) + one(0.5, 0) + one(0, 0.75)) / 4
    assert float(LOSSES["focal"](outputs(Z), Y)) == pytest.approx(expected, rel=1e-5)


def test_contrastive_is_info_nce_within_the_window() -> None:
    s = torch.tensor([[1.0, 0.2, -0.3], [0.5, 5.0, 0.1]])
    y = targets([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])

    def one(high: float, lows: list[float]) -> float:
        e = math.exp(high / TEMPERATURE)
        return -math.log(e / (e + sum(math.exp(x / TEMPERATURE) for x in lows)))

    within = (one(1.0, [0.2, -0.3]) + one(0.1, [0.5, 5.0])) / 2
    assert float(LOSSES["contrastive"](outputs(s, s), y)) == pytest.approx(within, rel=1e-5)
    everything = [0.2, -0.3, 0.5, 5.0]
    over_batch = (one(1.0, everything) + one(0.1, everything)) / 2
    assert float(LOSSES["batch_contrastive"](outputs(s, s), y)) == pytest.approx(over_batch, rel=1e-5)


def test_span_loss_of_a_hand_computed_clip() -> None:
    found, true = torch.tensor([[[1.0, 3.0], [9.0, 9.0]]]), torch.tensor([[[2.0, 2.0], [0.0, 0.0]]])
    y = targets([[1.0, 0.0]], offsets=true)
    near = 2 * (0.25 - 0.1 / 2)  # both ends are 1 of 4 clips off; smooth L1 is |x| − β/2 beyond β = 0.1
    iou = 3 / 5  # [-1, 3] and [-2, 2]
    assert float(LOSSES["span"](outputs(torch.zeros(1, 2), offsets=found), y)) == pytest.approx(
        near + 1 - iou, rel=1e-5
    )
    assert float(LOSSES["span"](outputs(torch.zeros(1, 2), offsets=true), y)) == pytest.approx(0, abs=1e-6)


def test_generalised_iou_tells_how_far_apart_intervals_are() -> None:
    a = torch.tensor([[0.0, 2.0], [0.0, 2.0], [0.0, 2.0]])
    b = torch.tensor([[1.0, 3.0], [4.0, 6.0], [0.0, 2.0]])
    assert generalised_iou(a, b).tolist() == pytest.approx([1 / 3, -1 / 3, 1.0])


@pytest.mark.parametrize("name", LOSSES)
def test_padding_counts_for_nothing(name: str) -> None:
    mask = [[True, True, True, False]]
    off = torch.rand(1, 4, 2, generator=torch.Generator().manual_seed(0)) + 0.5
    values = []
    for padded in (0.0, 1.0):
        z = torch.tensor([[1.0, -2.0, 0.3, 50.0 * padded]])
        y = targets([[1.0, 0.0, 1.0, padded]], mask, torch.where(torch.arange(4)[None, :, None] < 3, off, padded))
        values.append(float(LOSSES[name](outputs(z, z), y)))
    cut = targets([[1.0, 0.0, 1.0]], offsets=off[:, :3])
    z = torch.tensor([[1.0, -2.0, 0.3]])
    assert values == pytest.approx([float(LOSSES[name](outputs(z, z), cut))] * 2, rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("y", [[[0.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]], ids=["nothing", "everything"])
def test_batches_of_one_class_give_finite_losses_and_gradients(name: str, y: list[list[float]]) -> None:
    z = torch.tensor([[3.0, -80.0], [0.0, 80.0]], requires_grad=True)
    offsets = torch.ones(2, 2, 2, requires_grad=True)
    loss = LOSSES[name](outputs(z, z, offsets), targets(y))
    loss.backward()
    assert bool(torch.isfinite(loss))
    assert all(g is None or bool(torch.isfinite(g).all()) for g in (z.grad, offsets.grad))
    if name in {"contrastive", "span"} and not y[0][0]:
        assert float(loss.detach()) == 0


@pytest.mark.parametrize("name", LOSSES)
def test_descending_a_loss_lowers_it(name: str) -> None:
    torch.manual_seed(0)
    z, s, off = (torch.randn(2, 5, *shape, requires_grad=True) for shape in ((), (), (2,)))
    y = targets([[1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 0.0]], offsets=torch.rand(2, 5, 2) * 3)
    optimiser = torch.optim.SGD([z, s, off], 0.5)

    def loss() -> Tensor:
        return LOSSES[name](outputs(z, s, torch.nn.functional.softplus(off)), y)

    before = float(loss().detach())
    for _ in range(50):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
    assert float(loss().detach()) < 0.7 * before


def test_objective_adds_up_by_weight() -> None:
    total, parts = Objective({"mse": 2.0, "cross_entropy": 0.5, "span": 0.0})(outputs(Z), Y)
    assert set(parts) == {"mse", "cross_entropy"}
    assert float(total) == pytest.approx(2 * float(parts["mse"]) + 0.5 * float(parts["cross_entropy"]))


@pytest.mark.parametrize("weights", [{"entropy": 1.0}, {"mse": 0.0}, {"mse": 1.0, "span": -1.0}, {}])
def test_objectives_that_cannot_be(weights: dict[str, float]) -> None:
    with pytest.raises(OptionError) as error:
        Objective(weights)
    if "entropy" in weights:
        assert "cross_entropy" in error.value.hint


def test_a_method_with_its_own_loss_keeps_it() -> None:
    class Own(torch.nn.Module):
        def loss(self, o: Outputs, t: Targets) -> tuple[Tensor, dict[str, Tensor]]:
            return o.foreground.sum(), {}

    own = Own()
    assert objective_for(own, {"mse": 1.0}) == own.loss
    assert isinstance(objective_for(torch.nn.Linear(1, 1), {"mse": 1.0}), Objective)
