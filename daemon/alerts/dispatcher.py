"""The thread that reads the event log and decides what is alerted.

What is decided is on disk, in one transaction with the cursor, before the event log may let go of it.
"""

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import structlog

from alignment.errors import WatchwordError
from daemon.alerts.decider import Decider
from daemon.alerts.store.decisions import Decisions
from daemon.alerts.store.session import Session
from daemon.logs.failures import Failures
from workers.clock import Clock
from workers.publish.log.following import Acknowledge, Follow, LogFollower

READER = "alerts"  # its name in the event log
BATCH = 64

log = structlog.get_logger(__name__)


class Dispatcher:
    """Follows the event log in ``folder``. ``follow`` and ``acknowledge`` are those of the runtime.

    ``prepare`` is called before the first batch, until it raises no ``WatchwordError``, with what is acknowledged, and
    returns the cursor; ``decided`` after each batch in which something was decided.
    """

    def __init__(
        self,
        folder: Path,
        session: Session,
        decider: Decider,
        prepare: Callable[[int], int],
        follow: Follow,
        acknowledge: Acknowledge,
        decided: Callable[[], None],
        clock: Clock,
        pace: float = 1.0,
    ) -> None:
        """``pace`` shortens waits, for tests."""
        self._session, self._decider, self._prepare = session, decider, prepare
        self._decided, self._clock = decided, clock
        self._log = LogFollower(folder, READER, follow, acknowledge, clock, self._keep, pace)
        self.suppressed: Counter[str] = Counter()
        self._stopping = threading.Event()
        failed = "alerts cannot be decided, and are tried again"
        self._errors = Failures(log, "alerts wait", failed, self._stopping)
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def start(self) -> None:
        """Begin behind what was decided last."""
        try:
            self._log.begin(self._prepare)
        except WatchwordError as error:
            self._errors.report(error)
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
        self._log.begin(self._prepare)
        records = self._log.batch(BATCH)
        if not records:
            return False
        if self._decider.is_idle:  # nothing to write down; the cursor is, when the event log is let go
            self._log.passed(records)
            return True
        reasons: list[str] = []
        with self._session.changing() as connection:
            decisions = Decisions(connection)
            for record in records:
                reasons += self._decider.decide(record, decisions, self._clock.wall())
            decisions.set_cursor(records[-1].seq)
        self._log.passed(records)
        self.suppressed.update(reasons)
        self._decided()
        return True

    def _run(self) -> None:
        while True:
            is_last, found, before = self._stopping.is_set(), False, self._log.view.stamp()
            with self._errors.survived():
                found = self.step()
                if not found:
                    self._log.let_go(at_once=is_last)
            if is_last and not found:
                return
            if not found:
                self._log.wait(before, self._stopping)

    def _keep(self, cursor: int) -> None:
        with self._session.changing() as connection:
            Decisions(connection).set_cursor(cursor)
