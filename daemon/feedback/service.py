"""The thread of the daemon that learns from clicks, whoever made them: the page, the API, a link, or a command."""

import threading
from collections.abc import Callable

import structlog

from alignment.errors import WatchwordError
from daemon.feedback.learning import Learner
from daemon.feedback.store import FeedbackStore
from workers.state_layout import StateLayout

POLL_S = 0.2
RETRY_S = 10.0

log = structlog.get_logger()


class FeedbackService:
    """Makes heads within a second of a click. ``wake`` is called where ``take`` has something to return."""

    def __init__(self, layout: StateLayout, wake: Callable[[], None] = lambda: None) -> None:
        self._store, self._learner, self._wake = FeedbackStore(layout.feedback), Learner(layout), wake
        self._changed: frozenset[str] = frozenset()
        self._mutex = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feedback", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Stop the thread after its current step."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def take(self) -> frozenset[str]:
        """Return the events for which another head is in force since the last call. From any thread."""
        with self._mutex:
            changed, self._changed = self._changed, frozenset()
        return changed

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except (WatchwordError, OSError) as error:
                log.warning("feedback cannot be learned from yet", error=str(error))
                self._stopping.wait(RETRY_S)
            except Exception:  # boundary: cameras go on, whatever is wrong with a click
                log.exception("learning from feedback failed, and is tried again")
                self._stopping.wait(RETRY_S)

    def _follow(self) -> None:
        """Learn whenever the database has changed, until the daemon stops; without a database wait for one."""
        while not (self._store.exists or self._stopping.wait(POLL_S)):
            pass
        if self._stopping.is_set():
            return
        with self._store.watching() as version:
            seen = -1
            while not self._stopping.is_set():
                now = version()
                if now != seen:
                    self._note(self._learner.step())
                    seen = now
                    continue
                self._stopping.wait(POLL_S)

    def _note(self, changed: frozenset[str]) -> None:
        if changed:
            with self._mutex:
                self._changed |= changed
            self._wake()
