"""Early stopping: training ends after several evaluations without improvement (Prechelt 1998)."""

from dataclasses import dataclass, replace
from typing import Literal

Monitor = Literal["f1", "loss"]


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """The best validation value so far. Training ends after ``patience`` evaluations without a better one; 0: never."""

    monitor: Monitor
    patience: int
    best: float | None = None
    best_step: int = 0
    waited: int = 0

    def after(self, value: float, step: int) -> "EarlyStopping":
        """Return the state after an evaluation; NaN is never better."""
        if value == value and (self.best is None or self._better(value, self.best)):
            return replace(self, best=value, best_step=step, waited=0)
        return replace(self, waited=self.waited + 1)

    @property
    def improved(self) -> bool:
        """Return whether the last evaluation was the best one."""
        return self.best is not None and self.waited == 0

    @property
    def over(self) -> bool:
        """Return whether training should end."""
        return 0 < self.patience <= self.waited

    def _better(self, value: float, best: float) -> bool:
        return value < best if self.monitor == "loss" else value > best
