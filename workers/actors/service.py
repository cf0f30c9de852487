"""A service inside an actor: built lazily where wanted, built again where that failed, checked for progress."""

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import structlog

from alignment.errors import WatchwordError
from workers.errors import ServiceLost

RETRY_S = 5.0  # a disk may come back, or a predecessor release its event log or its GPU

log = structlog.get_logger()


class Counted(Protocol):
    """What every service offers: its counters."""

    def snapshot(self) -> Any:
        """Return the counters."""
        ...


T = TypeVar("T", bound=Counted)


class RetryingService(Generic[T]):
    """A service that may fail to load. Calls then raise that error; loading is retried after ``again_s`` seconds.

    An exception in the constructor of a Ray actor would end the actor without a message, so the error is kept for
    the first caller. ``lazy``: load at the first call. ``stalled_s``: the longest time that one piece of work takes.
    """

    def __init__(
        self,
        build: Callable[[], T],
        again_s: float = RETRY_S,
        stalled_s: float = float("inf"),
        lazy: bool = False,
    ) -> None:
        self._build, self._again_s, self._stalled_s, self._lazy = build, again_s, stalled_s, lazy
        self._lock = threading.Lock()
        self._value: T | None = None
        self._error: WatchwordError | None = None
        self._tried = float("-inf")  # monotonic
        if not lazy:
            self._load()

    def __call__(self) -> T:
        """Return the service; raise the error with which it failed to load."""
        with self._lock:
            if self._value is None and time.monotonic() - self._tried >= self._again_s:
                self._load()
        if self._value is None:
            raise self._error or WatchwordError("the service did not load")
        return self._value

    def snapshot(self) -> Any:
        """Return the service's counters, None for a lazy one before its first call.

        Raise ``ServiceLost`` where one piece of work takes longer than ``stalled_s``: the actor is then replaced.
        """
        if self._lazy and self._value is None:
            return None
        counters = self().snapshot()
        busy_s = getattr(counters, "in_flight_s", 0.0)
        if busy_s > self._stalled_s:
            raise ServiceLost(f"no result from the model for {busy_s:.0f} s", "the service is restarted")
        return counters

    def _load(self) -> None:
        try:
            self._value = self._build()
        except WatchwordError as error:
            self._error = error
        except Exception as error:  # see above
            log.exception("service failed to load unexpectedly")
            self._error = WatchwordError(f"a service failed to load: {error!r}", "this is a bug: please report it")
        self._tried = time.monotonic()
