"""The stop request: the first signal starts the drain, a second one exits immediately.

SIGTERM comes from a service manager, SIGINT from Ctrl-C. SIGHUP asks for the configuration to be read again, unless the
terminal that the daemon was started from is gone: then it is the message of that, and starts the drain. A closed
terminal may send several, and nobody waits for the prompt: SIGHUP never cuts a drain short.

Handlers run between any two instructions of the main thread, so they touch nothing that takes a lock:
``SimpleQueue.put`` is reentrant, ``threading.Event.set`` is not.
"""

import os
import signal
import termios
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
        self._reload = False
        self._terminal = next((fd for fd in range(3) if os.isatty(fd)), None)

    def catch_hangup(self) -> None:
        """Install the handler of SIGHUP, which would end the process while models are loaded."""
        signal.signal(signal.SIGHUP, self._hang_up)

    def catch_signals(self) -> None:
        """Install all handlers."""
        self.catch_hangup()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    @property
    def came(self) -> bool:
        """Return whether the daemon must stop."""
        return self._at is not None

    def take_reload(self) -> bool:
        """Return whether a signal has asked for the configuration to be read again, since this was asked last."""
        asked, self._reload = self._reload, False
        return asked

    def wake(self) -> None:
        """End the wait that is in progress, or the next one. From any thread."""
        self._wake.put(None)

    def wait(self, seconds: float) -> None:
        """Wait until the time is over, the daemon must stop, or there is something to do."""
        with suppress(Empty):
            self._wake.get(timeout=seconds)

    def left(self, until_s: float) -> float:
        """Return the seconds left until ``until_s`` after the stop request; ``until_s`` without a request."""
        return until_s if self._at is None else max(0.0, until_s - (time.monotonic() - self._at))

    def _hang_up(self, number: int, frame: FrameType | None) -> None:
        if self._at is not None:
            return
        if self._terminal is not None and not _is_there(self._terminal):
            self._handle(number, frame)
            return
        self._reload = True
        self._wake.put(None)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._at is not None:
            os._exit(INTERRUPTED)
        self._at = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, END_S)
        self._wake.put(None)


def _is_there(terminal: int) -> bool:
    """Return whether a terminal is still open at its other end."""
    try:
        termios.tcgetattr(terminal)
    except (termios.error, OSError):
        return False
    return True
