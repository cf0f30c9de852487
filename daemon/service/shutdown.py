"""The stop request: the first signal starts the drain, a second one exits immediately.

SIGTERM comes from a service manager, SIGINT from Ctrl-C, SIGHUP from a terminal that is closed. A closed terminal may
send several, and nobody waits for the prompt: SIGHUP never cuts a drain short.

Handlers run between any two instructions of the main thread, so they touch nothing that takes a lock:
``SimpleQueue.put`` is reentrant, ``threading.Event.set`` is not.
"""

import os
import signal
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import FrameType

END_S = 9.5  # after the first signal the kernel ends the process (SIGALRM)
INTERRUPTED = 130


class StopRequest:
    """Holds whether the daemon must stop, and how much of the drain's time is left."""

    def __init__(self) -> None:
        self._at: float | None = None  # monotonic
        self._wake: SimpleQueue[None] = SimpleQueue()

    def catch_signals(self) -> None:
        """Install the handlers."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._handle)

    @property
    def came(self) -> bool:
        """Return whether the daemon must stop."""
        return self._at is not None

    def wait(self, seconds: float) -> None:
        """Wait until the time is over or the daemon must stop."""
        with suppress(Empty):
            self._wake.get(timeout=seconds)

    def left(self, until_s: float) -> float:
        """Return the seconds left until ``until_s`` after the stop request; ``until_s`` without a request."""
        return until_s if self._at is None else max(0.0, until_s - (time.monotonic() - self._at))

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._at is not None and number == signal.SIGHUP:
            return
        if self._at is not None:
            os._exit(INTERRUPTED)
        self._at = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, END_S)
        self._wake.put(None)
