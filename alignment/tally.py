"""How many alerts every threshold would have given: one span automaton run at many thresholds at once."""

import numpy as np

from alignment.types import F64

DROP = -np.inf


class LevelTally:
    """Reads settled clips of one event and one epoch; counts finished spans at each level.

    The automaton is that of ``spans`` (hysteresis, merge gap, minimum duration), so the count at a level is what a
    fixed threshold at that level would have announced: scores are declustered into would-be alerts, as a budget of
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
        """End all spans: the epoch is over. Return those long enough, f64[K]."""
        done = self._close(self._end > DROP)
        self._clear()
        self._quiet = True
        return done if done is not None else np.zeros(len(self._enter))

    def _close(self, over: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> F64 | None:
        """Forget the spans that are over at some levels; return 1 where one was long enough."""
        over = over & (self._end > DROP)
        if not over.any():
            return None
        counted = over & (self._end - self._start >= self._least)
        self._rise = np.where(over & self._active, np.inf, self._rise)  # what comes next rises on its own
        self._active = self._active & ~over
        self._end = np.where(over, DROP, self._end)
        return np.asarray(counted, np.float64)
