"""Which events of a budget are alerts: the surest ones, and no more of them than a multiple of the budget.

The threshold of a budget (``budget``) lets sure events pass at any rate, because the daemon cannot know whether they
are the described event or a confident look-alike. The allowance limits what is left. It counts all recent events by
their highest probability; an event is *over budget* if more than ``size`` recent ones were as probable, or if the
token bucket is empty (the generic cell rate algorithm, ITU-T I.371). The former keeps the tokens for the surest events,
the latter holds whatever the scores are. Events over budget are recorded and marked, not dropped.
"""

import math
from dataclasses import dataclass

import numpy as np

MULTIPLE = 2.0  # of the budget; so many events may pass, as true ones are among them
SHORTEST_H = 1.0  # the window of budgets above one an hour
LEVELS = np.arange(-3.0, 9.26, 0.25)  # on the logit of p: 0.05 to 0.9999


@dataclass(frozen=True, slots=True)
class AllowanceState:
    """What an allowance knows, ready to be saved: tokens that are left, recent events by the level they reached."""

    tokens: float
    recent: tuple[float, ...]


class Allowance:
    """The allowance of one event on one camera; time is what was watched. One thread updates it; any may read."""

    def __init__(self, per_hour: float) -> None:
        """Take the budget, above 0."""
        self.window_h = max(1 / per_hour, SHORTEST_H)
        self.size = MULTIPLE * per_hour * self.window_h  # alerts a window, and the most at once
        self._tokens = self.size
        self._recent = np.zeros(len(LEVELS))

    @property
    def threshold(self) -> float:
        """Return the probability that an alert needs now, 0 if all events may be alerts."""
        reached = np.cumsum(self._recent[::-1])[::-1]
        crowded = int((reached > self.size).sum())  # the lowest levels: counts fall with the level
        return 1 / (1 + math.exp(-LEVELS[min(crowded, len(LEVELS) - 1)])) if crowded else 0.0

    @property
    def exceeded(self) -> bool:
        """Return whether more events happened lately than the allowance has room for."""
        return bool(self._recent.sum() > self.size)

    @property
    def events_per_hour(self) -> float:
        """Return the rate of recent events: all of them, over budget or not."""
        return float(self._recent.sum() / self.window_h)

    def watch(self, hours: float) -> None:
        """Let watched time pass: tokens return, and what is a window old counts for 1/e."""
        self._tokens = min(self.size, self._tokens + hours * self.size / self.window_h)
        self._recent *= math.exp(-hours / self.window_h)

    def take(self) -> bool:
        """Take a token for an alert; return False if there is none."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def count(self, peak: float) -> None:
        """Count an event that ended; ``peak`` is its highest probability."""
        z = math.log(max(peak, 1e-9)) - math.log1p(-min(peak, 1 - 1e-9))
        self._recent[max(0, int(np.searchsorted(LEVELS, z + 1e-9)) - 1)] += 1

    def state(self) -> AllowanceState:
        """Return what is to be saved."""
        return AllowanceState(float(self._tokens), tuple(map(float, self._recent)))

    def restore(self, state: AllowanceState) -> bool:
        """Take up what was saved; return False, and change nothing, where it is of other levels."""
        if len(state.recent) != len(LEVELS):
            return False
        self._tokens = min(self.size, state.tokens)
        self._recent = np.array(state.recent, np.float64)
        return True
