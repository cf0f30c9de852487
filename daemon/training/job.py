"""One training run, in one process or in one of several processes of the same run."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from alignment.training.losses import objective_for
from alignment.training.metrics_log import TensorBoardLog
from alignment.training.task import Task
from alignment.training.trainer import STATE_FILE, StepReport, Trainer, TrainOptions, TrainResult
from daemon.config.sections.training import TrainConfig

OnStep = Callable[[StepReport], None]
Measure = Callable[[nn.Module], Mapping[str, float]]


class Data(Protocol):
    """Training and validation data of a run. ``facts`` are written to the checkpoint's model card."""

    @property
    def batches(self) -> Callable[[int], Sequence[Any]]:
        """Return one worker's share of each step."""
        ...

    @property
    def epoch(self) -> int | None:
        """Return the number of examples in one pass; None: endless."""
        ...

    @property
    def task(self) -> Task:
        """Return the task that makes batches of examples."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """Return facts on the data for the model card."""
        ...

    def build(self, config: TrainConfig) -> nn.Module:
        """Return a model with initial weights."""
        ...

    def measure(self, model: nn.Module, config: TrainConfig) -> Measure | None:
        """Return the validation of a model; None without held-out examples."""
        ...

    def save(self, path: Path, model: nn.Module, card: Mapping[str, Any]) -> None:
        """Write the trained model with its card."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """A run: a model to train in place, its data and options. It is pickled for other processes."""

    model: nn.Module
    data: Data
    config: TrainConfig
    folder: Path  # where the state of the run is saved
    resume: bool = False
    tensorboard: Path | None = None

    @property
    def steps(self) -> int:
        """Return the number of steps of the run."""
        if self.config.epochs is None or self.data.epoch is None:
            return self.config.steps
        return self.config.epochs * -(-self.data.epoch // self.config.batch_size)

    def measure(self) -> Measure | None:
        """Return the validation of the model; None without held-out examples."""
        return self.data.measure(self.model, self.config)


@dataclass(frozen=True, slots=True)
class Place:
    """The number of this process among those of the run; the first one saves state and logs."""

    rank: int = 0
    workers: int = 1
    wrap: Callable[[nn.Module], nn.Module] = lambda module: module
    agree: Callable[[Measure], Measure] = lambda measure: measure  # makes all processes use the metrics of the first


def fit(job: Job, on_step: OnStep, place: Place | None = None) -> TrainResult:
    """Train the model of a job; raise ``TrainingDiverged``, ``TrainingStateError`` or ``PackageMissing``."""
    place = place or Place()
    batches, first = job.data.batches, place.rank == 0
    with ExitStack() as stack:
        listeners = [on_step]
        if job.tensorboard and first:
            listeners.append(stack.enter_context(TensorBoardLog(job.tensorboard)))

        def tell(report: StepReport) -> None:
            """Pass a report on to all listeners."""
            for listen in listeners:
                listen(report)

        measure = job.measure()
        trainer = Trainer(
            job.model,
            objective_for(job.model, job.config.losses),
            job.config.optimiser,
            lambda step: batches(step * place.workers + place.rank),
            job.data.task,
            _options(job),
            validate=place.agree(measure) if measure else None,
            on_step=tell,
            folder=job.folder if first else None,
            wrap=place.wrap,
            rank=place.rank,
        )
        if job.resume:
            trainer.resume(job.folder / STATE_FILE)
        return trainer.fit()


def _options(job: Job) -> TrainOptions:
    c = job.config
    return TrainOptions(job.steps, c.seed, c.eval_every, c.patience, c.monitor, c.amp, c.device)


def on_device(job: Job, device: str) -> Job:
    """Return the job for another device."""
    return replace(job, config=job.config.model_copy(update={"device": device}))
