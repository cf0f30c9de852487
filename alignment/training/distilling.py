"""Distillation: a smaller network is trained on the outputs of a larger one (Hinton et al. 2015)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # as everywhere in the field

from alignment.aligners.trained.batches import Batch, Outputs, Targets
from alignment.options import OptionError
from alignment.training.losses import TotalAndParts, plain_cross_entropy

SALIENCY = 0.1  # weight in the loss: saliencies have a range of tens, probabilities of one


@dataclass(frozen=True, slots=True)
class DistilOptions:
    """Options of distillation. ``soft``: the weight 0..1 of the teacher in the loss; the truth has weight 1 − soft."""

    soft: float = 0.7
    temperature: float = 2.0  # above 1: improbable outputs of the teacher count more

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for values out of range."""
        if not (0 <= self.soft <= 1 and self.temperature > 0):
            raise OptionError(
                f"soft {self.soft}, temperature {self.temperature}", "give soft in [0, 1], temperature above 0"
            )


class Distiller(nn.Module):
    """A student with its teacher; the teacher is neither trained nor moved nor saved."""

    def __init__(self, student: nn.Module, teacher: nn.Module, options: DistilOptions | None = None) -> None:
        super().__init__()
        self.student, self._options = student, options or DistilOptions()
        self._ask: Callable[[Batch], Outputs] = teacher.eval().forward
        self._taught: Outputs | None = None

    def forward(self, batch: Batch) -> Outputs:
        """Return the student's outputs, and keep the teacher's, computed on the CPU, for ``loss``."""
        with torch.no_grad():
            self._taught = self._ask(batch.to("cpu")).to(batch.frames.device)
        answer: Outputs = self.student(batch)
        return answer

    def loss(self, outputs: Outputs, targets: Targets) -> TotalAndParts:
        """T²·KL(teacher ‖ student) at temperature T up to a constant, smooth L1 of saliency; cross-entropy of truth."""
        if self._taught is None:
            raise RuntimeError("loss() needs a forward() before it")
        said, mask, t = self._taught, targets.clip_mask, self._options.temperature
        soft_target = torch.sigmoid(said.foreground / t)
        soft = t**2 * _mean(_cross_entropy(outputs.foreground / t, soft_target), mask)
        saliency = _mean(F.smooth_l1_loss(outputs.saliency, said.saliency, reduction="none"), mask)
        hard = plain_cross_entropy(outputs, targets)
        total = self._options.soft * (soft + SALIENCY * saliency) + (1 - self._options.soft) * hard
        return total, {"soft": soft.detach(), "saliency": saliency.detach(), "hard": hard.detach()}


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none")


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, x, 0.0).sum() / mask.sum().clamp(min=1)
