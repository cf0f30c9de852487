"""The request to stop: the first SIGTERM or SIGINT starts a countdown, a second one ends the process at once.

Handlers run between any two instructions of the main thread, so they touch nothing that takes a lock:
``SimpleQueue.put`` is reentrant, ``threading.Event.set`` is not.
"""

import os
import signal
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import FrameType

END_S = 9.5  # after the first signal; whatever still runs then is ended by the kernel (SIGALRM)
INTERRUPTED = 130


class StopRequest:
    """Whether the daemon shall stop, and how much of its time for that is left."""

    def __init__(self) -> None:
        self._at: float | None = None  # monotonic
        self._wake: SimpleQueue[None] = SimpleQueue()

    def catch_signals(self) -> None:
        """Take over SIGTERM and SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    @property
    def came(self) -> bool:
        """Whether the daemon shall stop."""
        return self._at is not None

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than until the request comes."""
        with suppress(Empty):
            self._wake.get(timeout=seconds)

    def left(self, until_s: float) -> float:
        """Return how many seconds are left until ``until_s`` after the request; all of them where none has come."""
        return until_s if self._at is None else max(0.0, until_s - (time.monotonic() - self._at))

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._at is not None:
            os._exit(INTERRUPTED)
        self._at = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, END_S)
        self._wake.put(None)
