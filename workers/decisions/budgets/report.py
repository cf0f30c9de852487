"""Which saved budgets are exceeded, for a command that runs beside the daemon or without it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alignment.spans.allowance import Allowance
from workers.decisions.budgets.store import OVER_BUDGET_REMEDY, read_saved
from workers.events.writer import spec_version
from workers.types import EventSpec


@dataclass(frozen=True, slots=True)
class ExceededBudget:
    """One event on one camera: recent events a day, and the budget a day."""

    camera: str
    event: str
    events_a_day: float
    budget_a_day: float
    looks_like: str | None

    def __str__(self) -> str:
        like = f" and look like {self.looks_like!r}" if self.looks_like else ""
        return (
            f"event {self.event!r} on camera {self.camera!r} is over its budget: {self.events_a_day:.3g} events a day,"
            f" budget {self.budget_a_day:.3g}; those beyond it are marked over_budget{like} ({OVER_BUDGET_REMEDY})"
        )


def exceeded_budgets(folder: Path, camera: str, specs: Sequence[EventSpec]) -> Iterator[ExceededBudget]:
    """Yield the events of a camera that were over their budget when ``folder`` was written last.

    Without a file, or with one that cannot be read, there are none: the daemon reports that one. Whether the saved
    scores are of the model that is configured now is not known here.
    """
    states, names = read_saved(folder / f"{camera}.json")
    for spec in specs:
        key, per_hour = f"{spec.name} {spec_version(spec)}", spec.first_stage_per_hour
        state = states.get(key)
        if state is None or state.allowance is None or per_hour is None:
            continue
        allowance = Allowance(per_hour)
        if allowance.restore(state.allowance) and allowance.exceeded:
            yield ExceededBudget(camera, spec.name, 24 * allowance.events_per_hour, 24 * per_hour, names.get(key))
