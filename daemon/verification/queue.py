"""The events that wait for a look: bounded; the highest priority first, and of one priority the freshest."""

from collections.abc import Callable
from dataclasses import dataclass

MOST = 64


@dataclass(frozen=True, slots=True)
class Case:
    """One event that waits. ``seq``: of the revision that asks for a look, which the event log keeps until then.

    ``at``: Unix seconds when the log accepted that revision; ``since``: monotonic seconds since when it waits here.
    """

    event_id: str
    camera: str
    priority: int
    seq: int
    at: float
    since: float


class CaseQueue:
    """Cases in the order in which they are looked at. Not thread-safe."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._waiting: list[Case] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, case: Case) -> Case | None:
        """Add a case; return the one that falls out where there are too many: perhaps this one."""
        self._waiting.append(case)
        if len(self._waiting) <= self._most:
            return None
        last = min(self._waiting, key=_order)
        self._waiting.remove(last)
        return last

    def take(self, has_room: Callable[[str], bool]) -> Case | None:
        """Return the next case of a camera whose model has room; None: there is none."""
        found = max((case for case in self._waiting if has_room(case.camera)), key=_order, default=None)
        if found is not None:
            self._waiting.remove(found)
        return found

    def overdue(self, before: float) -> list[Case]:
        """Return the cases that have waited since before a monotonic time; they wait no longer."""
        late = [case for case in self._waiting if case.since < before]
        self._waiting = [case for case in self._waiting if case.since >= before]
        return late

    def oldest_s(self, now: float) -> float:
        """Return for how long the oldest case has waited, 0 where none waits."""
        return max((now - case.since for case in self._waiting), default=0.0)


def _order(case: Case) -> tuple[int, float, int]:
    return case.priority, case.at, case.seq
