"""A reader of the event log beside the log's owner: it reads the file, and tells the owner up to where it is done."""

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from alignment.errors import WatchwordError
from workers.clock import Clock
from workers.publish.log.records import Record
from workers.publish.log.view import LogView

BATCH = 256
LOOK_S = 0.05  # between two looks whether the event log was written to
READ_S = 0.25  # between two looks into it without that
ACKNOWLEDGE_S = 5.0  # between two messages to the owner

log = structlog.get_logger()

Follow = Callable[[str], int]
"""Has the event log wait for the reader of a name; returns up to where that has acknowledged what it read."""
Acknowledge = Callable[[str, int], None]


class LogFollower:
    """Reads the event log in ``folder`` as the reader ``name``, in one thread.

    ``follow`` and ``acknowledge`` are those of the runtime. ``keep`` stores the cursor before the log lets go.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        follow: Follow,
        acknowledge: Acknowledge,
        clock: Clock,
        keep: Callable[[int], None] = lambda cursor: None,
        pace: float = 1.0,
    ) -> None:
        """``pace`` shortens waits, for tests."""
        self.view = LogView(folder)
        self.cursor: int | None = None  # the last revision that was read; None before ``begin``
        self._name, self._follow, self._acknowledge, self._clock = name, follow, acknowledge, clock
        self._keep, self._acknowledge_s = keep, ACKNOWLEDGE_S * pace
        self._acknowledged, self._due = 0, 0.0

    def begin(self, place: Callable[[int], int] = lambda acknowledged: acknowledged) -> None:
        """Begin to read, if that has not begun: where ``place`` says, behind what was acknowledged."""
        if self.cursor is None:
            self.cursor = place(self._follow(self._name))

    def batch(self, limit: int = BATCH) -> list[Record]:
        """Return the next revisions, oldest first; they are read again until they have ``passed``."""
        assert self.cursor is not None
        return self.view.after(self.cursor, limit)

    def passed(self, records: list[Record]) -> None:
        """Go on behind a batch."""
        if records:
            self.cursor = records[-1].seq

    def let_go(self, done: int | None = None, at_once: bool = False) -> bool:
        """Let the log go of what is done, now and then; return whether it is another log, read from its beginning.

        ``done``: the last revision that need not be read again after a crash; None: all that was read.
        """
        now = self._clock.monotonic()
        if self.cursor is None or (now < self._due and not at_once):
            return False
        self._due = now + self._acknowledge_s
        if self.cursor > self.view.last():
            log.warning("the event log was replaced, and is read from its beginning", reader=self._name)
            self._keep(0)
            self.cursor = self._acknowledged = 0
            return True
        done = self.cursor if done is None else done
        if done > self._acknowledged:
            self._keep(self.cursor)
            with suppress(WatchwordError):  # it is tried again, and holds back no event
                self._acknowledge(self._name, done)
                self._acknowledged = done
        return False

    def wait(self, before: tuple[int, int], wake: threading.Event) -> None:
        """Wait for ``wake``, or until the log's ``stamp`` is not as it was ``before``, for a while."""
        end = self._clock.monotonic() + READ_S
        while not wake.wait(LOOK_S) and self._clock.monotonic() < end and self.view.stamp() == before:
            pass
