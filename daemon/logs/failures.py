"""What keeps a thread of the daemon from its work: logged once, and waited after, as the thread must go on."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alignment.errors import WatchwordError

AGAIN_S = 2.0


class Failures:
    """Failures of one thread, in its ``log``. ``waits`` is the line for an error, ``failed`` for a bug.

    An error that ``stopping`` came amid is not logged: the work was interrupted.
    """

    def __init__(
        self, log: Any, waits: str, failed: str, stopping: threading.Event, level: int = logging.ERROR
    ) -> None:
        self._log, self._waits, self._failed, self._stopping, self._level = log, waits, failed, stopping, level
        self._last = ""

    @contextmanager
    def survived(self) -> Iterator[None]:
        """Log what goes wrong inside, the same error once in a row, and wait before the next try."""
        was_stopping = self._stopping.is_set()
        try:
            yield
            self._last = ""
        except WatchwordError as error:
            if was_stopping or not self._stopping.is_set():
                self.report(error)
            self._stopping.wait(AGAIN_S)
        except Exception:
            self._log.exception(self._failed)
            self._stopping.wait(AGAIN_S)

    def report(self, error: WatchwordError) -> None:
        """Log an error, if it is not the last one again."""
        if error.message != self._last:
            self._log.log(self._level, self._waits, code=error.code, error=str(error))
        self._last = error.message
