"""Exponential back-off with jitter.

The jitter keeps a hundred cameras behind one rebooted switch from reconnecting in step (Brooker, "Exponential
Backoff And Jitter", AWS Architecture Blog 2015).
"""

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from random import random

from workers.clock import Clock


class Backoff:
    """Delays between attempts, in seconds; they grow until a success that held for ``stable_s``.

    ``rng`` returns a number in [0, 1). The first delay lies in ``[first_s / 2, first_s]``, each further one
    is up to ``factor`` times longer, never above ``max_s``.
    """

    def __init__(
        self,
        clock: Clock,
        first_s: float = 1.0,
        max_s: float = 60.0,
        factor: float = 2.0,
        stable_s: float = 30.0,
        rng: Callable[[], float] = random,
    ) -> None:
        self._clock = clock
        self._first_s, self._max_s, self._factor, self._stable_s = first_s, max_s, factor, stable_s
        self._rng = rng
        self._attempt = 0
        self._up_since: float | None = None

    def succeeded(self) -> None:
        """Record a success; only the first call after a failure counts."""
        if self._up_since is None:
            self._up_since = self._clock.monotonic()

    def failed(self, retryable: bool = True) -> float:
        """Record a failure; return the seconds to wait: ``max_s`` if a retry is not expected to help."""
        if self._up_since is not None and self._clock.monotonic() - self._up_since >= self._stable_s:
            self._attempt = 0
        self._up_since = None
        ceiling = min(self._max_s, self._first_s * self._factor ** min(self._attempt, 32))
        self._attempt += 1
        return self._jitter(ceiling if retryable else self._max_s)

    def _jitter(self, ceiling: float) -> float:
        return ceiling * (0.5 + 0.5 * self._rng())


def retry_after_s(header: str, now: float) -> float:
    """Return the seconds of HTTP's ``Retry-After``, a number or a date; 0 if it is neither. ``now``: Unix seconds."""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now)
    except (ValueError, TypeError):
        return 0.0
