"""False-alert budgets: choose the threshold of one event on one camera from the tolerated false-alert rate.

Each threshold of a grid counts the alerts that it would have given (``LevelTally``). Its expected rate is a
Gamma-Poisson posterior: the profile's measured rates count as ``PRIOR_HOURS`` of observation; above the thresholds that
were reached often, a generalised Pareto tail extrapolates (peaks over threshold; Coles 2001, chapter 4). The threshold
is the lowest one whose rate is within the budget. The daemon does not know which alerts were true, so all alerts count
except the *sure* ones: those with probability ``SURE``, which are always recorded, and those that recur with at least
``CLEAR`` and are well separated from all other scores, which are the described event rather than background. So a real
event is not suppressed because it happens often.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from alignment.calibration import SIMILARITY_STRAYS_PER_HOUR, Rates, threshold_for_budget
from alignment.spans.allowance import Allowance, AllowanceState
from alignment.types import F64

SURE = 0.99  # no threshold is higher: this probability is always reported
CLEAR = 0.9
APART = 2.0  # on the logit of p: so far below clear alerts there must be hardly any others ...
HARDLY = 0.25  # ... at most so many for each clear one
RECURS = 5.0  # clear alerts
PRIOR_HOURS = 1.0
MEMORY_HOURS = 20 * 24.0  # what is older than this counts for 1/e of what is new
SETTLE_HOURS = 1 / 60  # how often the threshold may move
TAIL_ALERTS = 40.0  # fewer say too little of a tail's shape
SHAPE_RANGE = (0.0, 0.4)  # of the tail: a bounded one is never believed, and beyond 0.4 the moments say nothing
LOGIT_STEP = 0.25
LOWEST_LEVEL = 0.05


@dataclass(slots=True)
class Counts:
    """Observations of one scene: hours, and would-be alerts f64[K] per level."""

    alerts: F64
    hours: float = 0.0


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget's observations, ready to be saved: levels and, by the scene's number, hours and alerts."""

    levels: tuple[float, ...]
    scenes: Mapping[int, tuple[float, tuple[float, ...]]] = field(default_factory=dict)
    allowance: AllowanceState | None = None  # None: nothing is known


class Budget:
    """The budget of one event on one camera. Times are stream seconds. One thread updates it; any thread may read."""

    def __init__(self, per_hour: float, rates: Rates = SIMILARITY_STRAYS_PER_HOUR) -> None:
        """Take the budget (above 0) and the profile's table: thresholds on p, rising, with false alerts an hour."""
        self.per_hour = per_hour
        self.allowance = Allowance(per_hour)
        self.threshold = prior = threshold_for_budget(per_hour, rates)
        self.levels = _grid(prior)
        known = np.log([rate for _, rate in rates])
        table = np.exp(np.interp(self.levels, [t for t, _ in rates], known))
        self._prior = np.where(self.levels >= prior, np.minimum(table, per_hour), table)
        self._grace = (self.levels >= prior).astype(np.float64)  # one alert proves nothing against the prior
        self._allowed = self.levels >= min(t for t, _ in rates)  # lower ones were never measured
        z = self._z = _logit(self.levels)
        self._clear = np.flatnonzero((self.levels >= CLEAR) & (self.levels < SURE))
        self._below = np.searchsorted(z, z[self._clear] - APART, "right") - 1
        self._scenes: dict[int, Counts] = {}
        self._unsettled = 0.0
        self.enter_scene(0)

    def tally(self, exit_ratio: float, min_duration_s: float, merge_gap_s: float) -> "LevelTally":
        """Return a counter of would-be alerts for one segment."""
        return LevelTally(self.levels, exit_ratio, min_duration_s, merge_gap_s)

    def observe(self, seconds: float, alerts: F64 | None = None) -> None:
        """Add observed seconds of this scene, and the would-be alerts f64[K] found in them."""
        hours = seconds / 3600
        counts = self._counts
        counts.hours += hours
        if counts.hours > MEMORY_HOURS:  # forget as much as comes in
            kept = MEMORY_HOURS / counts.hours
            counts.hours, counts.alerts = MEMORY_HOURS, counts.alerts * kept
        if alerts is not None:
            counts.alerts = counts.alerts + alerts
        self._unsettled += hours
        if self._unsettled >= SETTLE_HOURS:
            self.allowance.watch(self._unsettled)
            self._unsettled = 0.0
            self._settle()

    def enter_scene(self, number: int, forget: bool = False) -> None:
        """Continue with the observations of a scene; ``forget``: the number was reassigned, drop its observations."""
        if forget:
            self._scenes.pop(number, None)
        self._counts = self._scenes.setdefault(number, Counts(np.zeros(len(self.levels))))
        self._settle()

    @property
    def alert_threshold(self) -> float:
        """Return the probability that an event needs now to be within the budget."""
        return max(self.threshold, self.allowance.threshold)

    @property
    def observed_hours(self) -> float:
        """Return how long this scene was watched."""
        return self._counts.hours

    @property
    def observed_per_hour(self) -> float:
        """Return the alerts an hour that today's threshold would have given in all that was observed of the scene."""
        counts = self._counts
        reached = _falling(counts.alerts)[int(np.searchsorted(self.levels, self.threshold - 1e-9))]
        return float(reached / counts.hours) if counts.hours else 0.0

    def state(self) -> BudgetState:
        """Return the observations."""
        scenes = {n: (c.hours, tuple(map(float, c.alerts))) for n, c in self._scenes.items()}
        return BudgetState(tuple(map(float, self.levels)), scenes, self.allowance.state())

    def restore(self, state: BudgetState, scene: int) -> bool:
        """Take up saved observations; return False, and change nothing, where they are of other levels."""
        if len(state.levels) != len(self.levels) or not np.allclose(state.levels, self.levels, atol=1e-6):
            return False
        if state.allowance is not None and not self.allowance.restore(state.allowance):
            return False
        self._scenes = {n: Counts(np.array(alerts, np.float64), hours) for n, (hours, alerts) in state.scenes.items()}
        self.enter_scene(scene)
        return True

    def _settle(self) -> None:
        """Move the threshold to the lowest level whose expected rate is within the budget."""
        counts = self._counts
        reached = _falling(counts.alerts)
        doubtful = np.maximum(reached - self._sure(reached), 0.0)
        expected = np.maximum(doubtful - self._grace, _tail(doubtful, self._z))
        rate = (self._prior * PRIOR_HOURS + np.maximum(expected, 0.0)) / (PRIOR_HOURS + counts.hours)
        within = self._allowed & (rate <= self.per_hour * (1 + 1e-9))
        self.threshold = float(self.levels[int(within.argmax())]) if within.any() else float(self.levels[-1])

    def _sure(self, reached: F64) -> float:
        """Return how many alerts are beyond doubt, given how many reached each level."""
        clear = reached[self._clear]
        apart = (clear >= RECURS) & (reached[self._below] - clear <= HARDLY * clear)
        return float(clear[apart].max(initial=reached[-1]))


def _tail(alerts: F64, z: F64) -> F64:
    """Return alerts f64[K] that a generalised Pareto tail expects at each level, 0 where it says nothing.

    The tail starts at the highest level with ``TAIL_ALERTS``. Method of moments (Hosking & Wallis 1987) on the
    logit of p; mean m and variance v of the excess are integrals of its survival function:
    shape ξ = (1 − m²/v)/2, scale σ = m(1 + m²/v)/2, and P(excess > x) = (1 + ξx/σ)^(−1/ξ).
    """
    expected = np.zeros(len(alerts))
    enough = np.flatnonzero(alerts >= TAIL_ALERTS)
    if not len(enough):
        return expected
    base = int(enough[-1])
    x, survival = z[base:] - z[base], alerts[base:] / alerts[base]
    mean = _area(survival, x)
    variance = _area(2 * x * survival, x) - mean**2
    if mean <= 0 or variance <= 0:
        return expected
    shape = float(np.clip((1 - mean**2 / variance) / 2, *SHAPE_RANGE)) or 1e-9
    scale = mean * (1 - shape)
    expected[base:] = alerts[base] * np.maximum(1 + shape * x / scale, 0.0) ** (-1 / shape)
    return expected


def _area(y: F64, x: F64) -> float:
    """Integrate by the trapezoidal rule."""
    return float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum())


def _falling(alerts: F64) -> F64:
    """Return counts that do not rise with the level: at a low one, several alerts may have merged into one."""
    return np.asarray(np.maximum.accumulate(alerts[::-1])[::-1])


def _grid(prior: float) -> F64:
    """Return rising levels, even on the logit of p, up to ``SURE`` and with the prior's threshold."""
    low, high = _logit(np.array([LOWEST_LEVEL, SURE]))
    z = np.arange(float(low), float(high), LOGIT_STEP)
    return np.unique(np.concatenate([1 / (1 + np.exp(-z)), [prior, SURE]]))


def _logit(p: F64) -> F64:
    return np.asarray(np.log(p) - np.log1p(-p))


DROP = -np.inf


class LevelTally:
    """Reads final clips of one event in one segment; counts finished spans at each level.

    The automaton is that of ``spans`` (hysteresis, merge gap, minimum duration), so the count at a level is what a
    fixed threshold at that level would have reported: scores are declustered into would-be alerts, as a budget of
    alerts wants it (runs declustering, Coles 2001, section 5.3).
    """

    def __init__(self, levels: F64, exit_ratio: float, min_duration_s: float, merge_gap_s: float) -> None:
        """Take rising levels f64[K] on p."""
        self._enter, self._exit = levels, levels * exit_ratio
        self._least, self._gap = min_duration_s - 1e-6, merge_gap_s
        self._quiet = True  # nothing is being built at any level
        self._until = DROP
        self._clear()

    def _clear(self) -> None:
        size = len(self._enter)
        self._start, self._end = np.full(size, np.inf), np.full(size, DROP)  # end DROP: no span is being built
        self._rise = np.full(size, np.inf)  # inf: nothing rises
        self._active = np.zeros(size, np.bool_)

    def add(self, p: float, start: float, end: float) -> tuple[float, F64 | None]:
        """Read one clip; return the seconds it adds to what was watched, and the spans f64[K] it shows to be over.

        None stands for no span at any level.
        """
        watched = max(0.0, end - max(start, self._until))
        self._until = max(self._until, end)
        if self._quiet and p < self._exit[0]:
            return watched, None
        done = self._close(self._end + self._gap < start)
        above = p >= self._exit
        self._rise = np.where(above, np.minimum(self._rise, start), np.inf)
        self._active = above & (self._active | (p >= self._enter))
        begins = self._active & (self._end == DROP)
        self._start = np.where(begins, self._rise, self._start)
        self._end = np.where(self._active, np.maximum(self._end, end), self._end)
        self._quiet = not above.any() and bool((self._end == DROP).all())
        return watched, done if done is not None and done.any() else None

    def finish(self) -> F64:
        """End all spans at the end of the segment; return the number of long enough ones, f64[K]."""
        done = self._close(self._end > DROP)
        self._clear()
        self._quiet = True
        return done if done is not None else np.zeros(len(self._enter))

    def _close(self, over: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> F64 | None:
        """Remove the spans that are over at some levels; return 1 where one was long enough."""
        over = over & (self._end > DROP)
        if not over.any():
            return None
        counted = over & (self._end - self._start >= self._least)
        self._rise = np.where(over & self._active, np.inf, self._rise)  # the next span needs its own rise
        self._active = self._active & ~over
        self._end = np.where(over, DROP, self._end)
        return np.asarray(counted, np.float64)
