"""The training loop for all methods and tasks; an aligner is trained through ``forward(Batch) -> Outputs``.

On one device a run is determined by its seed: the examples and the random numbers of a step depend only on the seed
and the step's number. So a run that was stopped and resumed gives the same weights, bit for bit on the CPU.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from alignment.aligners.trained.batches import Tensors
from alignment.training.early_stopping import EarlyStopping, Monitor
from alignment.training.errors import TrainingDiverged, TrainingStateError
from alignment.training.optimisers import OptimiserOptions, build_optimiser, clip_gradients
from alignment.training.state import TrainingState, load_state, save_state
from alignment.training.task import Task

Criterion = Callable[[Any, Any], tuple[Tensor, Mapping[str, Tensor]]]
"""Returns the loss of a model's outputs and its parts by name: see ``losses.objective_for``."""
Validation = Callable[[nn.Module], Mapping[str, float]]
"""Returns the metrics of a model on held-out examples, at least the one that early stopping monitors."""

STATE_FILE = "state.safetensors"
BAD_STEPS = 25  # consecutive steps without a finite gradient after which the run is aborted


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Options of a run. Every ``eval_every`` steps the model is validated and the state of the run is saved."""

    steps: int
    seed: int = 0
    eval_every: int = 200
    patience: int = 0  # evaluations without improvement after which the run ends; 0: it runs to the end
    monitor: Monitor = "f1"
    amp: Literal["off", "bf16", "fp16"] = "off"  # mixed precision (Micikevicius et al. 2018)
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class StepReport:
    """The result of one step. ``step`` counts from 1; ``metrics`` is None for steps without validation."""

    step: int
    steps: int
    loss: float
    parts: Mapping[str, float]
    learning_rate: float
    metrics: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class TrainResult:
    """The result of a run. The model has the weights of ``best_step``; without validation, those of the last step."""

    steps: int
    best_step: int
    best: float | None
    loss: float  # running mean of the last steps
    skipped_steps: int  # no finite gradient: the weights were not changed
    dropped_samples: int  # not finite: removed from their batch


@dataclass(slots=True)
class _Progress:
    """The counters of a run that are saved beside weights and optimiser."""

    step: int = 0
    loss: float = float("nan")
    bad_steps: int = 0  # in a row
    skipped_steps: int = 0
    dropped_samples: int = 0


class LossModule(nn.Module):
    """A method and its loss in one module, so that DDP finds all parameters that the loss depends on."""

    def __init__(self, model: nn.Module, criterion: Criterion) -> None:
        super().__init__()
        self.model = model
        self._criterion = criterion

    def forward(self, batch: Tensors, targets: Tensors) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss, and its parts without gradient."""
        total, parts = self._criterion(self.model(batch), targets)
        return total, {name: part.detach() for name, part in parts.items()}


class Trainer:
    """Trains ``model`` in place. ``batches(step)`` returns the examples of a step, counted from 0.

    The state of the run is saved in ``folder`` (None: nowhere). ``wrap`` makes the loss module parallel. ``rank`` is
    the number of this process among those of the run.
    """

    def __init__(
        self,
        model: nn.Module,
        criterion: Criterion,
        optimiser: OptimiserOptions,
        batches: Callable[[int], Sequence[Any]],
        task: Task,
        options: TrainOptions,
        *,
        validate: Validation | None = None,
        on_step: Callable[[StepReport], None] | None = None,
        folder: Path | None = None,
        wrap: Callable[[nn.Module], nn.Module] = lambda module: module,
        rank: int = 0,
    ) -> None:
        self._model = model.to(options.device)
        self._loss = wrap(LossModule(self._model, criterion))
        self._optimiser, self._scheduler = build_optimiser(model.parameters(), optimiser, options.steps)
        self._clipping = optimiser
        self._scaler = torch.amp.GradScaler(torch.device(options.device).type, enabled=options.amp == "fp16")
        self._batches, self._task, self._options = batches, task, options
        self._validate, self._on_step, self._folder, self._rank = validate, on_step, folder, rank
        self._progress = _Progress()
        self._stopping = EarlyStopping(options.monitor, options.patience)
        self._best: dict[str, Tensor] = {}

    def fit(self) -> TrainResult:
        """Train until the last step, or until validation stops improving; raise ``TrainingDiverged``."""
        while self._progress.step < self._options.steps and not self._stopping.over:
            self._step()
        if self._best:
            self._model.load_state_dict(self._best)
        self._model.eval()
        progress, stopping = self._progress, self._stopping
        return TrainResult(
            steps=progress.step,
            best_step=stopping.best_step if self._best else progress.step,
            best=stopping.best,
            loss=progress.loss,
            skipped_steps=progress.skipped_steps,
            dropped_samples=progress.dropped_samples,
        )

    def _step(self) -> None:
        progress = self._progress
        seeds = np.random.SeedSequence([self._options.seed, progress.step, self._rank])
        torch.manual_seed(int(seeds.generate_state(1)[0]))
        loss, parts = self._descend(self._batches(progress.step))
        rate = float(self._scheduler.get_last_lr()[0])
        self._scheduler.step()
        progress.step += 1
        if np.isfinite(loss):
            progress.loss = loss if np.isnan(progress.loss) else 0.98 * progress.loss + 0.02 * loss
        metrics = None
        if progress.step % self._options.eval_every == 0 or progress.step == self._options.steps:
            metrics = self._evaluate()
            self._save()
        if self._on_step:
            self._on_step(StepReport(progress.step, self._options.steps, loss, parts, rate, metrics))

    def _descend(self, samples: Sequence[Any]) -> tuple[float, dict[str, float]]:
        """Update the weights with one batch; return the loss and its parts."""
        usable = [s for s in samples if self._task.usable(s)]
        self._progress.dropped_samples += len(samples) - len(usable)
        # All processes must take or skip a step together: without usable samples the gradient is made NaN.
        batch, targets = self._task.collate(usable or samples)
        self._model.train()
        with self._autocast():
            total, parts = self._loss(batch.to(self._options.device), targets.to(self._options.device))
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(total if usable else total * float("nan")).backward()
        self._scaler.unscale_(self._optimiser)
        self._apply(bool(np.isfinite(clip_gradients(self._model.parameters(), self._clipping))))
        return float(total.detach()), {name: float(part) for name, part in parts.items()}

    def _apply(self, usable: bool) -> None:
        """Take the optimiser step; skip it if the gradient is not finite."""
        progress = self._progress
        if usable:
            self._scaler.step(self._optimiser)
        self._scaler.update()
        progress.bad_steps = 0 if usable else progress.bad_steps + 1
        progress.skipped_steps += not usable
        if progress.bad_steps >= BAD_STEPS:
            raise TrainingDiverged(
                f"no finite gradient in {BAD_STEPS} steps, up to step {progress.step}",
                "lower the learning rate, or train without mixed precision",
            )

    def _autocast(self) -> AbstractContextManager[Any]:
        if self._options.amp == "off":
            return nullcontext()
        kind = torch.bfloat16 if self._options.amp == "bf16" else torch.float16
        return torch.autocast(torch.device(self._options.device).type, dtype=kind)

    def _evaluate(self) -> Mapping[str, float] | None:
        if self._validate is None:
            return None
        self._model.eval()
        with torch.no_grad():
            metrics = self._validate(self._model)
        self._stopping = self._stopping.after(metrics[self._options.monitor], self._progress.step)
        if self._stopping.improved:
            self._best = {k: v.detach().cpu().clone() for k, v in self._model.state_dict().items()}
        return metrics

    def _save(self) -> None:
        if self._folder:
            save_state(self._folder / STATE_FILE, self.state())

    def state(self) -> TrainingState:
        """Return everything that is needed to resume this run."""
        numbers = {
            "progress": asdict(self._progress),
            "stopping": asdict(self._stopping),
            "scheduler": self._scheduler.state_dict(),
            "scaler": self._scaler.state_dict(),
            "seed": self._options.seed,
            "steps": self._options.steps,
        }
        return TrainingState(self._model.state_dict(), self._best, self._optimiser.state_dict(), numbers)

    def resume(self, path: Path) -> None:
        """Resume the run whose state is stored at ``path``; raise ``TrainingStateError``."""
        state = load_state(path)
        try:
            for name in ("seed", "steps"):
                if state.numbers[name] != (now := getattr(self._options, name)):
                    raise ValueError(f"the saved run has {name} {state.numbers[name]}, not {now}")
            self._model.load_state_dict(state.model)
            self._optimiser.load_state_dict(dict(state.optimiser))
            self._scheduler.load_state_dict(state.numbers["scheduler"])
            self._scaler.load_state_dict(state.numbers["scaler"])
            self._progress = _Progress(**state.numbers["progress"])
            stopping = EarlyStopping(**state.numbers["stopping"])
        except (RuntimeError, ValueError, KeyError, TypeError, IndexError) as e:
            raise TrainingStateError(f"cannot continue from {path}: {e}", "start without --resume") from e
        self._stopping = replace(stopping, monitor=self._options.monitor, patience=self._options.patience)
        self._best = dict(state.best)
