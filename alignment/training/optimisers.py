"""Optimisers and learning-rate schedules, chosen by name.

g is the gradient, η the learning rate, λ the weight decay.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch.nn import Parameter
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from alignment.options import OptionError, choose

OptimiserName = Literal["sgd", "momentum", "adam", "adamw"]
ScheduleName = Literal["constant", "cosine", "step", "linear"]


@dataclass(frozen=True, slots=True)
class OptimiserOptions:
    """Options of an optimiser. ``clip_norm`` is the highest norm of the gradient over all weights; 0: no clipping."""

    name: OptimiserName = "adamw"
    lr: float = 1e-3  # peak learning rate, per step
    weight_decay: float = 1e-2
    momentum: float = 0.9  # of "momentum" only
    schedule: ScheduleName = "cosine"
    warmup_steps: int = 0
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for unknown names and values out of range."""
        choose("optimiser", self.name, OPTIMISERS)
        choose("schedule", self.schedule, SCHEDULES)
        if not self.lr > 0 or not 0 <= self.momentum < 1:
            raise OptionError(f"lr {self.lr}, momentum {self.momentum}", "give lr above 0 and momentum in [0, 1)")
        if min(self.weight_decay, self.warmup_steps, self.clip_norm) < 0:
            raise OptionError("weight_decay, warmup_steps or clip_norm is negative", "give 0 to switch it off")


def _sgd(groups: list[dict[str, Any]], options: OptimiserOptions) -> Optimizer:
    """Step w ← w − η·(g + λw) (Robbins and Monro 1951)."""
    return SGD(groups, options.lr)


def _momentum(groups: list[dict[str, Any]], options: OptimiserOptions) -> Optimizer:
    """Step v ← μv + g + λw; w ← w − η·(g + λw + μv): Nesterov's form (Sutskever et al. 2013)."""
    return SGD(groups, options.lr, momentum=options.momentum, nesterov=options.momentum > 0)


def _adam(groups: list[dict[str, Any]], options: OptimiserOptions) -> Optimizer:
    """Step w ← w − η·m̂ / (√v̂ + ε), m and v the running means of g + λw and its square (Kingma and Ba 2015)."""
    return Adam(groups, options.lr)


def _adamw(groups: list[dict[str, Any]], options: OptimiserOptions) -> Optimizer:
    """Adam with decoupled weight decay: w ← w − η·(m̂ / (√v̂ + ε) + λw) (Loshchilov and Hutter 2019)."""
    return AdamW(groups, options.lr)


OPTIMISERS: Mapping[str, Callable[[list[dict[str, Any]], OptimiserOptions], Optimizer]] = {
    "sgd": _sgd,
    "momentum": _momentum,
    "adam": _adam,
    "adamw": _adamw,
}

# Factor of the learning rate after a share x of the steps, 0 ≤ x ≤ 1.
SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "constant": lambda x: 1.0,
    "cosine": lambda x: 0.5 * (1 + math.cos(math.pi * x)),  # Loshchilov and Hutter 2017, without restarts
    "step": lambda x: 0.1 ** (int(x >= 0.5) + int(x >= 0.75)),  # He et al. 2016: a tenth at 1/2 and again at 3/4
    "linear": lambda x: 1.0 - x,
}


def build_optimiser(
    parameters: Iterable[Parameter], options: OptimiserOptions, steps: int
) -> tuple[Optimizer, LRScheduler]:
    """Return an optimiser for all parameters that are not frozen, and its schedule over ``steps`` steps.

    Call ``step()`` of the schedule once per step. Gains and biases (below two dimensions) do not decay. Raise
    ``OptionError`` if all parameters are frozen.
    """
    free = [p for p in parameters if p.requires_grad]
    if not free:
        raise OptionError("every parameter is frozen", "leave at least one part of the model trainable")
    groups: list[dict[str, Any]] = [
        {"params": [p for p in free if p.ndim >= 2], "weight_decay": options.weight_decay},
        {"params": [p for p in free if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimiser = OPTIMISERS[options.name]([g for g in groups if g["params"]], options)
    return optimiser, LambdaLR(optimiser, partial(_factor, options=options, steps=steps))


def clip_gradients(parameters: Iterable[Parameter], options: OptimiserOptions) -> float:
    """Scale all gradients so that their total norm is at most ``clip_norm`` (Pascanu et al. 2013); return the norm."""
    limit = options.clip_norm or math.inf
    return float(torch.nn.utils.clip_grad_norm_(parameters, limit))


def _factor(step: int, options: OptimiserOptions, steps: int) -> float:
    """Return the factor of ``lr`` at a step: linear warm-up, then the schedule over the remaining steps."""
    if step < options.warmup_steps:
        return (step + 1) / (options.warmup_steps + 1)
    way = (step - options.warmup_steps) / max(1, steps - options.warmup_steps)
    return SCHEDULES[options.schedule](min(1.0, way))
