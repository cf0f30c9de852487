"""Smaller networks: pruned, or taught by a larger one. ``alignment/int8`` makes either smaller still.

Pruning by magnitude sets the weights nearest to zero to zero (Han et al. 2015). They compress well when they are
stored; a dense product takes as long as before, so it saves nothing in memory or time. Distillation trains a smaller
network to answer as a larger one does (Hinton et al. 2015), which saves all three.
"""

import copy
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # as everywhere in the field
from torch.nn.utils import prune

from alignment.batches import Batch, Outputs, Targets
from alignment.calibration import SimilarityCalibration
from alignment.int8 import Model
from alignment.options import OptionError
from alignment.training.data import Batches
from alignment.training.losses import TotalAndParts, plain_cross_entropy
from alignment.training.optimisers import OptimiserOptions
from alignment.training.task import AlignmentTask
from alignment.training.trainer import Trainer, TrainOptions

SALIENCY = 0.1  # of the loss: saliencies run over tens, probabilities over one


@dataclass(frozen=True, slots=True)
class DistilOptions:
    """How a student learns. ``soft``: the teacher's part in the loss, the truth has the rest; both 0 to 1."""

    train: TrainOptions
    optimiser: OptimiserOptions = field(default_factory=lambda: OptimiserOptions(lr=4e-3, warmup_steps=20))
    soft: float = 0.7
    temperature: float = 2.0  # above 1: doubts of the teacher count more

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for values that cannot be."""
        if not (0 <= self.soft <= 1 and self.temperature > 0):
            raise OptionError(
                f"soft {self.soft}, temperature {self.temperature}", "give soft in [0, 1], temperature above 0"
            )


def pruned(model: Model, share: float, retrain: Callable[[Model], object] | None = None) -> Model:
    """Return a copy without the ``share`` of linear weights that are smallest over all layers; the copy stays so.

    ``retrain`` may train the copy in place between: what was pruned stays zero.
    """
    if not 0 <= share < 1:
        raise OptionError(f"a share of {share} cannot be pruned", "give 0 or more, and less than 1")
    smaller = copy.deepcopy(model)
    layers = [(m, "weight") for m in smaller.modules() if isinstance(m, nn.Linear)]
    prune.global_unstructured(layers, prune.L1Unstructured, amount=share)
    if retrain:
        retrain(smaller)
    for layer, name in layers:
        prune.remove(layer, name)  # type: ignore[no-untyped-call]  # untyped in torch
    return smaller.eval()


def stored_bytes(model: nn.Module) -> tuple[int, int]:
    """Return the bytes of a model's safetensors file, and of that file compressed (DEFLATE, as zip and gzip)."""
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()})
    return len(data), len(zlib.compress(data, 9))


def distil(
    teacher: nn.Module,
    student: Model,
    batches: Batches,
    calibration: SimilarityCalibration,
    options: DistilOptions,
) -> Model:
    """Train ``student`` in place to answer as ``teacher`` does, and return it; raise ``TrainingDiverged``."""
    taught = _Taught(student, teacher.eval(), options)
    Trainer(taught, taught.loss, options.optimiser, batches, AlignmentTask(calibration), options.train).fit()
    return student.eval()


class _Taught(nn.Module):
    """A student beside its teacher; the teacher is no part of what is trained, moved or saved."""

    def __init__(self, student: nn.Module, teacher: nn.Module, options: DistilOptions) -> None:
        super().__init__()
        self.student, self._options = student, options
        self._ask: Callable[[Batch], Outputs] = teacher.forward
        self._taught: Outputs | None = None

    def forward(self, batch: Batch) -> Outputs:
        """Answer as the student, and remember what the teacher says."""
        with torch.no_grad():
            self._taught = self._ask(batch)
        answer: Outputs = self.student(batch)
        return answer

    def loss(self, outputs: Outputs, targets: Targets) -> TotalAndParts:
        """T²·KL(teacher ‖ student) at temperature T up to a constant, smooth L1 of saliency; cross-entropy of truth."""
        if self._taught is None:
            raise RuntimeError("the loss of an answer that was not given")
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
