"""The thread that reads the event log and decides what is alerted.

What is decided is on disk, in one transaction with the cursor, before the event log may let go of it.
"""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from alignment.errors import WatchwordError
from daemon.alerts.decider import Decider
from daemon.alerts.store.decisions import Decisions
from daemon.alerts.store.session import Session
from workers.clock import Clock
from workers.publish.log.view import LogView

READER = "alerts"  # its name in the event log
BATCH = 64
LOOK_S = 0.05  # between two looks whether the event log was written to
READ_S = 0.25  # between two looks into it without that
AGAIN_S = 2.0
ACKNOWLEDGE_S = 5.0  # between two messages to the event log that says up to where it may let go

log = structlog.get_logger()


class Dispatcher:
    """Follows the event log in ``folder``. ``acknowledge`` lets the log go up to a sequence number.

    ``prepare`` is called before the first batch, until it raises no ``WatchwordError``, and returns the cursor;
    ``decided`` after each batch in which something was decided.
    """

    def __init__(
        self,
        folder: Path,
        session: Session,
        decider: Decider,
        prepare: Callable[[], int],
        acknowledge: Callable[[str, int], None],
        decided: Callable[[], None],
        clock: Clock,
        pace: float = 1.0,
    ) -> None:
        """``pace`` shortens waits, for tests."""
        self._view, self._session, self._decider = LogView(folder), session, decider
        self._prepare, self._acknowledge, self._decided, self._clock = prepare, acknowledge, decided, clock
        self._acknowledge_s = ACKNOWLEDGE_S * pace
        self.suppressed: Counter[str] = Counter()
        self._cursor: int | None = None
        self._acknowledged = 0
        self._acknowledge_due = 0.0
        self._error = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def start(self) -> None:
        """Begin behind what was decided last."""
        try:
            self._cursor = self._prepare()
        except WatchwordError as error:
            self._report(error)
        self._thread.start()

    def use(self, decider: Decider) -> None:
        """Decide by other settings from now on."""
        self._decider = decider

    def stop(self, timeout_s: float) -> None:
        """Decide what the log holds now, and end the thread."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def step(self) -> bool:
        """Decide one batch; return whether there was anything. Raise ``WatchwordError``."""
        if self._cursor is None:
            self._cursor = self._prepare()
        records = self._view.after(self._cursor, BATCH)
        if not records:
            return False
        if self._decider.is_idle:  # nothing to write down; the cursor is, when the event log is let go
            self._cursor = records[-1].seq
            return True
        reasons: list[str] = []
        with self._session.changing() as connection:
            decisions = Decisions(connection)
            for record in records:
                reasons += self._decider.decide(record, decisions, self._clock.wall())
            decisions.set_cursor(records[-1].seq)
        self._cursor = records[-1].seq
        self.suppressed.update(reasons)
        self._decided()
        return True

    def _run(self) -> None:
        while True:
            is_last, found, before = self._stopping.is_set(), False, self._view.stamp()
            try:
                found = self.step()
                if not found:
                    self._let_go(is_last)
                self._error = ""
            except WatchwordError as error:
                self._report(error)
                self._stopping.wait(AGAIN_S)
            except Exception:  # without this thread no event would be alerted, without a word
                log.exception("alerts cannot be decided, and are tried again")
                self._stopping.wait(AGAIN_S)
            if is_last and not found:
                return
            if not found:
                self._wait(before)

    def _wait(self, before: tuple[int, int]) -> None:
        """Wait until the event log is not as it was ``before`` the last look, for a while."""
        end = self._clock.monotonic() + READ_S
        while not self._stopping.wait(LOOK_S) and self._clock.monotonic() < end and self._view.stamp() == before:
            pass

    def _let_go(self, at_once: bool) -> None:
        """Let the event log go of what is decided, now and then; look whether it is another log meanwhile."""
        now = self._clock.monotonic()
        if not at_once and now < self._acknowledge_due:
            return
        self._acknowledge_due = now + self._acknowledge_s
        if self._cursor is None:
            return
        if self._cursor > self._view.last():
            log.warning("the event log was replaced: alerts begin at its beginning")
            with self._session.changing() as connection:
                Decisions(connection).set_cursor(0)
            self._cursor = self._acknowledged = 0
        elif self._cursor != self._acknowledged:
            with self._session.changing() as connection:
                Decisions(connection).set_cursor(self._cursor)
            with suppress(WatchwordError):  # it is tried again, and holds back no event
                self._acknowledge(READER, self._cursor)
                self._acknowledged = self._cursor

    def _report(self, error: WatchwordError) -> None:
        if error.message != self._error:
            log.error("alerts wait", code=error.code, error=str(error))
        self._error = error.message
