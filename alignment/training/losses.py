"""Losses, chosen by name and summed by weight.

Notation: z f32[B, T] foreground logits, y f32[B, T] the share of a clip that is true, s f32[B, T] saliencies. Every
loss is a mean over real clips (``clip_mask``), and 0 (with zero gradients) for a batch without clips that it applies
to. A clip is foreground if at least half of it is true.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as nnf
from torch import Tensor

from alignment.aligners.trained.batches import Outputs, Targets
from alignment.options import OptionError, choose

Loss = Callable[[Outputs, Targets], Tensor]
TotalAndParts = tuple[Tensor, dict[str, Tensor]]  # the loss to minimise; its parts by name, detached

FOREGROUND = 0.5  # share of a clip
TEMPERATURE = 0.5  # of the saliencies in the contrastive losses, as in QD-DETR (Moon et al. 2023)
FOCUS = 2.0  # γ of the focal loss, the paper's choice
RELATIVE_L1_KNEE = 0.1  # in lengths of the true window: smooth L1 is quadratic below, linear above


def mse(outputs: Outputs, targets: Targets) -> Tensor:
    """(σ(z) − y)²: the Brier score (1950), which is minimal for calibrated probabilities."""
    return _mean((torch.sigmoid(outputs.foreground.float()) - targets.foreground) ** 2, targets.clip_mask)


def plain_cross_entropy(outputs: Outputs, targets: Targets) -> Tensor:
    """−y·log σ(z) − (1−y)·log(1−σ(z)), with equal weight per clip: z are log-odds at the data's own foreground rate."""
    return _mean(_cross_entropy(outputs, targets), targets.clip_mask)


def cross_entropy(outputs: Outputs, targets: Targets) -> Tensor:
    """Class-balanced binary cross-entropy: the mean over foreground and the mean over background have equal weight.

    King and Zeng (2001): weights n / 2n₁ and n / 2n₀. A batch with only one class gives the mean of that class.
    """
    entropy, inside = _cross_entropy(outputs, targets), foreground_clips(targets)
    outside = targets.clip_mask & ~inside
    parts = torch.stack([_mean(entropy, inside), _mean(entropy, outside)])
    present = torch.stack([inside.any(), outside.any()])
    return _mean(parts, present)


def focal(outputs: Outputs, targets: Targets) -> Tensor:
    """|y − σ(z)|^γ · cross-entropy, γ = 2: clips that are already correct have little weight (Lin et al. 2017).

    In the form of Li et al. 2020 for targets between 0 and 1 (quality focal loss).
    """
    wrong = (targets.foreground - torch.sigmoid(outputs.foreground.float())).abs()
    return _mean(wrong**FOCUS * _cross_entropy(outputs, targets), targets.clip_mask)


def contrastive(outputs: Outputs, targets: Targets) -> Tensor:
    """−log( e^{s⁺/τ} / (e^{s⁺/τ} + Σ e^{s⁻/τ}) ), s⁻ the background clips of the same window, over all s⁺.

    InfoNCE (van den Oord et al. 2018) within a window, as UniVTG's intra-video term (Lin et al. 2023).
    """
    return _info_nce(outputs, targets, over_batch=False)


def batch_contrastive(outputs: Outputs, targets: Targets) -> Tensor:
    """As ``contrastive``, with the background clips of the whole batch: saliencies are comparable between windows."""
    return _info_nce(outputs, targets, over_batch=True)


def span(outputs: Outputs, targets: Targets) -> Tensor:
    """smooth-L1(d̂ − d) / length + 1 − gIoU, for the offsets d of foreground clips (UniVTG, Lin et al. 2023).

    Offsets are divided by the true window's length, so that long and short windows have equal weight.
    """
    inside = foreground_clips(targets)
    found, true = outputs.offsets.float(), targets.offsets
    length = true.sum(-1, keepdim=True).clamp(min=1.0)
    near = nnf.smooth_l1_loss(found / length, true / length, reduction="none", beta=RELATIVE_L1_KNEE).sum(-1)
    sign = torch.tensor([-1.0, 1.0], device=found.device)
    return _mean(near + 1 - generalised_iou(found * sign, true * sign), inside)


LOSSES: Mapping[str, Loss] = {
    "mse": mse,
    "plain_cross_entropy": plain_cross_entropy,
    "cross_entropy": cross_entropy,
    "focal": focal,
    "contrastive": contrastive,
    "batch_contrastive": batch_contrastive,
    "span": span,
}


class Objective:
    """Σ wᵢ·lossᵢ over named losses. Called with outputs and targets, it returns the total and each loss."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        """Raise ``OptionError`` for unknown names, negative weights, or if no weight is positive."""
        self._terms = [(name, weight, choose("loss", name, LOSSES)) for name, weight in weights.items() if weight]
        if not self._terms or min(weight for _, weight, _ in self._terms) < 0:
            raise OptionError(
                f"loss weights {dict(weights)} leave nothing to minimise", "give at least one weight above 0"
            )

    def __call__(self, outputs: Outputs, targets: Targets) -> TotalAndParts:
        """Return the weighted total and the unweighted, detached parts by name."""
        parts = {name: loss(outputs, targets) for name, _, loss in self._terms}
        total = torch.stack([weight * parts[name] for name, weight, _ in self._terms]).sum()
        return total, {name: part.detach() for name, part in parts.items()}


@runtime_checkable
class OwnLoss(Protocol):
    """A method that can only be trained on its own loss."""

    def loss(self, outputs: Outputs, targets: Targets) -> TotalAndParts:
        """Return the total and its detached parts by name, as an ``Objective`` does."""
        ...


def objective_for(method: object, weights: Mapping[str, float]) -> Callable[[Outputs, Targets], TotalAndParts]:
    """Return the loss that a method is trained on: its own loss if it has one, else an ``Objective``."""
    return method.loss if isinstance(method, OwnLoss) else Objective(weights)


def foreground_clips(targets: Targets) -> Tensor:
    """Return bool[B, T]: real clips of which at least half is true."""
    return targets.clip_mask & (targets.foreground >= FOREGROUND)


def generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU − (hull − union) / hull of intervals [..., 2] (start, end); broadcasts (Rezatofighi et al. 2019)."""
    shared = (torch.minimum(a[..., 1], b[..., 1]) - torch.maximum(a[..., 0], b[..., 0])).clamp(min=0)
    union = (a[..., 1] - a[..., 0]) + (b[..., 1] - b[..., 0]) - shared
    hull = torch.maximum(a[..., 1], b[..., 1]) - torch.minimum(a[..., 0], b[..., 0])
    return shared / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)


def _cross_entropy(outputs: Outputs, targets: Targets) -> Tensor:
    return nnf.binary_cross_entropy_with_logits(outputs.foreground.float(), targets.foreground, reduction="none")


def _info_nce(outputs: Outputs, targets: Targets, over_batch: bool) -> Tensor:
    inside = foreground_clips(targets)
    scores = outputs.saliency.float() / TEMPERATURE
    others = scores.masked_fill(inside | ~targets.clip_mask, -1e4)  # finite: a row without background stays finite
    against = others.flatten().logsumexp(0) if over_batch else others.logsumexp(1, keepdim=True)
    return _mean(nnf.softplus(against - scores), inside)


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of x where ``mask`` is True; 0 if it is nowhere True."""
    return torch.where(mask, x, 0.0).sum() / mask.sum().clamp(min=1)
