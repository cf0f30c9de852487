import math
from typing import Any

import pytest
import torch
from torch import nn

from alignment.options import OptionError
from alignment.training.optimisers import OPTIMISERS, SCHEDULES, OptimiserOptions, build_optimiser, clip_gradients

G, LR, DECAY, MU = 0.5, 0.1, 0.01, 0.9


def steps_of(name: Any, n: int) -> float:
    """Return a weight that began at 1 after n steps of gradient G."""
    w = nn.Parameter(torch.ones(1, 1))
    options = OptimiserOptions(name, LR, DECAY, MU, "constant", clip_norm=0)
    optimiser, schedule = build_optimiser([w], options, n)
    for _ in range(n):
        w.grad = torch.full((1, 1), G)
        optimiser.step()
        schedule.step()
    return float(w.detach())


def test_sgd_and_momentum_follow_their_formulas() -> None:
    w = 1.0
    for _ in range(3):
        w -= LR * (G + DECAY * w)
    assert steps_of("sgd", 3) == pytest.approx(w)
    w, v = 1.0, 0.0
    for _ in range(3):
        g = G + DECAY * w
        v = MU * v + g
        w -= LR * (g + MU * v)
    assert steps_of("momentum", 3) == pytest.approx(w)


def test_adam_and_adamw_follow_their_formulas() -> None:
    for name in ("adam", "adamw"):
        w, m, v = 1.0, 0.0, 0.0
        for t in range(1, 4):
            g = G + DECAY * w if name == "adam" else G
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            step = (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
            w -= LR * (step + (DECAY * w if name == "adamw" else 0))
        assert steps_of(name, 3) == pytest.approx(w, rel=1e-5), name


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1, 1, 1, 1]),
        ("linear", [1, 0.75, 0.5, 0.25]),
        ("cosine", [0.5 * (1 + math.cos(math.pi * i / 4)) for i in range(4)]),
        ("step", [1, 1, 0.1, 0.01]),
    ],
)
def test_schedules_after_the_warm_up(schedule: Any, expected: list[float]) -> None:
    w = nn.Parameter(torch.ones(1, 1))
    optimiser, scheduler = build_optimiser([w], OptimiserOptions("sgd", 1.0, schedule=schedule, warmup_steps=2), 6)
    rates = []
    for _ in range(6):
        rates.append(scheduler.get_last_lr()[0])
        w.grad = torch.zeros(1, 1)
        optimiser.step()
        scheduler.step()
    assert rates == pytest.approx([1 / 3, 2 / 3, *expected])


def test_biases_do_not_decay_and_frozen_weights_stay() -> None:
    layer, frozen = nn.Linear(2, 2), nn.Linear(2, 2)
    frozen.requires_grad_(False)
    before = [p.detach().clone() for p in (layer.weight, layer.bias, frozen.weight)]
    parameters = [*layer.parameters(), *frozen.parameters()]
    optimiser, _ = build_optimiser(parameters, OptimiserOptions("adamw", 0.1, 0.5, schedule="constant"), 1)
    for p in layer.parameters():
        p.grad = torch.zeros_like(p)
    optimiser.step()
    assert torch.allclose(layer.weight, before[0] * (1 - 0.1 * 0.5))
    assert torch.equal(layer.bias, before[1])
    assert torch.equal(frozen.weight, before[2])
    with pytest.raises(OptionError):
        build_optimiser(frozen.parameters(), OptimiserOptions(), 1)


def test_gradients_are_clipped_to_the_norm() -> None:
    w = nn.Parameter(torch.zeros(2))
    for clip_norm, length in ((1.0, 1.0), (10.0, 5.0), (0.0, 5.0)):
        w.grad = torch.tensor([3.0, 4.0])
        assert clip_gradients([w], OptimiserOptions(clip_norm=clip_norm)) == pytest.approx(5.0)
        assert float(w.grad.norm()) == pytest.approx(length, rel=1e-4)


@pytest.mark.parametrize(
    "wrong", [{"name": "adma"}, {"schedule": "cosin"}, {"lr": 0.0}, {"momentum": 1.0}, {"weight_decay": -1.0}]
)
def test_options_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as error:
        OptimiserOptions(**wrong)
    if "name" in wrong:
        assert all(name in error.value.hint for name in OPTIMISERS)
        assert "did you mean 'adam'" in error.value.hint
    if "schedule" in wrong:
        assert all(name in error.value.hint for name in SCHEDULES)
