"""TensorBoard logs of a training run. The package ``tensorboard`` is optional: it is imported when a log is opened."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol

from alignment.training.errors import PackageMissing
from alignment.training.trainer import StepReport

EVERY = 10  # steps between two points of the training curves


class _Writer(Protocol):
    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None: ...
    def close(self) -> None: ...


def summary_writer() -> Callable[[str], _Writer]:
    """Return the ``SummaryWriter`` class; raise ``PackageMissing`` if tensorboard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as e:
        hint = 'pip install "watchword[train]", or train without a TensorBoard log'
        raise PackageMissing("the package tensorboard is not installed", hint) from e
    return SummaryWriter


class TensorBoardLog:
    """Writes the curves of a run to ``folder``. A context manager; call it with each ``StepReport``."""

    def __init__(self, folder: Path) -> None:
        """Open the log; raise ``PackageMissing``."""
        self._writer: _Writer = summary_writer()(str(folder))

    def __enter__(self) -> "TensorBoardLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def __call__(self, report: StepReport) -> None:
        """Log the loss, its parts and the learning rate every ``EVERY`` steps, and the metrics of every validation."""
        points = {f"validation/{name}": value for name, value in (report.metrics or {}).items()}
        if report.step % EVERY == 0:
            points |= {"train/loss": report.loss, "train/learning_rate": report.learning_rate}
            points |= {f"train/{name}": value for name, value in report.parts.items()}
        for tag, value in points.items():
            self._writer.add_scalar(tag, value, report.step)
