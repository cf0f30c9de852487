"""Linear layers in eight bits: y = s_x·s_w·(x̂·Ŵᵀ) + b, with one symmetric scale per row of W and of x.

Weights are quantised once. Rows of x are quantised on each call (dynamic quantisation; Zafrir et al. 2019), so that
the CPU multiplies integers; layers too narrow to gain from that convert their int8 weights to floats instead. Torch's
own eager quantisation is deprecated since 2.10; this code needs only ``torch._int_mm``.

Measured on one core with AVX512-VNNI, float32 → int8: layer 384 → 1536 with 320 rows, 2.3 → 1.1 ms; layer 48 → 144
with 1500 rows, 0.14 → 0.38 ms, and 0.14 ms with float rows.
"""

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # as everywhere in the field

WIDE = 256  # inputs from which the faster integer product outweighs the quantisation of rows
LARGEST = 127  # of a symmetric int8

Model = TypeVar("Model", bound=nn.Module)


class Int8Linear(nn.Module):
    """A quantised linear layer for CPU inference, built from a trained one."""

    weight: Tensor  # int8[out, in]
    scale: Tensor  # f32[out, 1]
    bias: Tensor | None  # f32[out]

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight, scale = _rounded(linear.weight.detach().float())
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        """Return f32[..., out] of f32[..., in]."""
        if x.shape[-1] < WIDE:
            return F.linear(x, self.weight * self.scale, self.bias)
        rows, scale = _rounded(x.flatten(0, -2))
        y = torch._int_mm(rows, self.weight.T).float().mul_(scale).mul_(self.scale[:, 0])
        return (y if self.bias is None else y.add_(self.bias)).reshape(*x.shape[:-1], -1)


def quantise(model: Model) -> Model:
    """Replace every ``nn.Linear`` inside ``model`` by ``Int8Linear`` and return ``model``, then only for inference.

    Subclasses of ``nn.Linear`` are kept: their owners (``nn.MultiheadAttention``) use the weights directly.
    """
    for name, child in model.named_children():
        if type(child) is nn.Linear:
            setattr(model, name, Int8Linear(child))
        else:
            quantise(child)
    return model


def _rounded(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows f32[N, C] quantised to int8, and their scales f32[N, 1]."""
    scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / LARGEST
    return (rows / scale).round_().to(torch.int8), scale
