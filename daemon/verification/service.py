"""The thread that reads the event log and has a model look at events; verdicts go into the same log.

The log's reader ``verification`` is acknowledged up to the oldest event that has no verdict. Whether an event has one
is in the log itself, so a daemon that was killed looks again at those that have none, and at no other.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import structlog

from alignment.errors import WatchwordError
from daemon.alerts.attachments import EvidenceReader
from daemon.config import Config
from daemon.logs.failures import Failures
from daemon.observability.snapshot import VerificationSnapshot
from daemon.verification.look import Looker, after_look, needs_look, unavailable
from daemon.verification.queue import Case, CaseQueue
from daemon.vlm.client import VlmClient
from daemon.vlm.factory import VlmClients
from daemon.vlm.waiting import wait_for_model
from workers.clock import Clock, SystemClock
from workers.events.event import Event, Verification
from workers.publish.log.following import Acknowledge, Follow, LogFollower
from workers.publish.log.records import Record
from workers.state_layout import StateLayout
from workers.telemetry import Histogram

READER = "verification"  # its name in the event log
AGAIN_S = 2.0
AT_ONCE = 2  # questions to one server: a slow answer does not hold up the next event
WAIT_S = 60.0  # longest wait of an event for its turn
QUEUE_FULL = "too many events wait for the model"
WAITED = f"the model was busy for {WAIT_S:.0f} s"
LATENCIES = (0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0)

Amend = Callable[[str, Verification], Event | None]
Outcome = tuple[str, str]
"""A verdict that was written, and the code of the error for which there is none, or ``""``."""

log = structlog.get_logger(__name__)


class VerificationService:
    """Has models look at events. ``follow``, ``acknowledge`` and ``amend`` are those of the runtime.

    All its state belongs to one thread; each look has a thread of its own, which waits for the model and writes the
    verdict.
    """

    def __init__(
        self,
        config: Config,
        layout: StateLayout,
        clients: VlmClients,
        follow: Follow,
        acknowledge: Acknowledge,
        amend: Amend,
        clock: Clock | None = None,
    ) -> None:
        self._layout, self._clock, self._amend = layout, clock or SystemClock(), amend
        self._log = LogFollower(layout.event_log, READER, follow, acknowledge, self._clock)
        self._queue, self._cases = CaseQueue(), dict[str, Case]()  # by event id: those that wait or are looked at
        self._busy: Counter[VlmClient] = Counter()
        self._over: deque[tuple[Case, VlmClient | None, Outcome | None]] = deque()  # looks that are
        self._verdicts: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._latency = Histogram(LATENCIES)
        self._stopping, self._wake = threading.Event(), threading.Event()
        # Without this thread no event would be verified, and held alerts never sent.
        failed = "events cannot be verified, and are tried again"
        self._errors = Failures(log, "verification waits", failed, self._stopping)
        self._thread = threading.Thread(target=self._run, name="verification", daemon=True)
        self.apply(config, clients)

    def apply(self, config: Config, clients: VlmClients) -> None:
        """Ask by other settings from the next look on."""
        self._looker, self._clients = Looker(self._layout, EvidenceReader(config.evidence_folder())), clients
        self._wake.set()

    def start(self) -> None:
        """Begin behind what has a verdict."""
        self._thread.start()

    def flush(self, timeout_s: float, is_cancelled: Callable[[], bool]) -> None:
        """Wait until every event of the log has its verdict."""
        wait_for_model("verdicts", lambda: len(self._cases), self._is_done, timeout_s, is_cancelled, self._clock)

    def stop(self, timeout_s: float) -> None:
        """End the thread; events that have no verdict get one after the next start."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def snapshot(self) -> VerificationSnapshot:
        """Return the counters. From any thread."""
        return VerificationSnapshot(
            waiting=len(self._cases),
            oldest_s=self._oldest_s(),
            latency=self._latency.snapshot(),
            verdicts=dict(self._verdicts),
            failures=dict(self._failures),
        )

    def _oldest_s(self) -> float:
        waiting = [case.since for case in list(self._cases.values())]
        return max(0.0, self._clock.monotonic() - min(waiting)) if waiting else 0.0

    def _is_done(self) -> bool:
        with suppress(WatchwordError):
            return not self._cases and self._log.cursor is not None and self._log.cursor >= self._log.view.last()
        return False

    def step(self) -> bool:
        """Take up what is new in the log and what was finished; return whether the log had anything."""
        self._log.begin()
        while self._over:
            self._close(*self._over[0])
            self._over.popleft()
        records = self._log.batch()
        for record in records:
            self._take(record)
        self._log.passed(records)
        self._begin()
        done = min((case.seq - 1 for case in self._cases.values()), default=None)
        self._log.let_go(done, at_once=self._stopping.is_set())
        return bool(records)

    def _take(self, record: Record) -> None:
        """Queue an event that needs a look; one that is queued or looked at is judged again when that is over."""
        event = record.event
        if event.verification is None or event.id in self._cases:
            return
        if self._unseen(event.id) is not None:  # after a start it may have its verdict already
            now = self._clock.monotonic()
            self._add(Case(event.id, event.camera, event.priority, record.seq, record.at, now))

    def _unseen(self, event_id: str) -> tuple[Record, bool] | None:
        """Return the last revision of an event, and whether it has ended, if it needs a look."""
        records = self._log.view.revisions(event_id)
        has_ended = any(record.event.type == "end" for record in records)  # it may go on after that
        return (records[-1], has_ended) if records and needs_look(records[-1].event, has_ended) else None

    def _add(self, case: Case) -> None:
        self._cases[case.event_id] = case
        if (fallen := self._queue.add(case)) is not None:
            self._start(fallen, None, "queue_full", QUEUE_FULL)

    def _begin(self) -> None:
        """Begin looks at the events whose turn it is, and give up those that have waited too long."""
        if self._stopping.is_set():
            return
        for late in self._queue.overdue(self._clock.monotonic() - WAIT_S):
            self._start(late, None, "queue_late", WAITED)
        while (case := self._queue.take(self._has_room)) is not None:
            self._start(case, self._clients.of(case.camera))

    def _has_room(self, camera: str) -> bool:
        client = self._clients.of(camera)
        return client is None or self._busy[client] < AT_ONCE

    def _start(self, case: Case, client: VlmClient | None, code: str = "", why: str = "") -> None:
        if client is not None:
            self._busy[client] += 1
        args = case, client, code, why
        threading.Thread(target=self._look, args=args, name=f"verification-{case.event_id}", daemon=True).start()

    def _look(self, case: Case, client: VlmClient | None, code: str, why: str) -> None:
        """Look at an event, and write the verdict; in a thread of its own."""
        outcome: Outcome | None = None
        try:
            unseen = self._unseen(case.event_id)
            if unseen is not None and (known := unseen[0].event.verification):
                event, has_ended = unseen[0].event, unseen[1]
                found, code = (unavailable(why), code) if why else self._looker.look(event, client)
                if why or not code or client is self._clients.of(case.camera):  # else another one is to be asked by now
                    outcome = self._write(event, after_look(known, found, has_ended), code)
        except Exception:  # the event stays in the queue of the log, and is looked at again
            if not self._stopping.is_set():
                log.exception("an event could not be verified, and is tried again", camera=case.camera)
                self._stopping.wait(AGAIN_S)
        finally:
            self._over.append((case, client, outcome))
            self._wake.set()

    def _write(self, event: Event, found: Verification, code: str) -> Outcome | None:
        """Put a verdict into the log; where that is not possible now, until it is. None: the event was forgotten."""
        while not self._stopping.is_set():
            try:
                amended = self._amend(event.id, found)
            except WatchwordError as error:
                self._errors.report(error)
                self._stopping.wait(AGAIN_S)
                continue
            if amended is None:
                return None
            about = {"camera": event.camera, "event_name": event.event, "id": event.id}
            log.info("verified", **about, verdict=found.verdict, model=found.model, code=code or None)
            return found.verdict, code
        return None

    def _close(self, case: Case, client: VlmClient | None, outcome: Outcome | None) -> None:
        """Take up that a look is over: the event may have ended meanwhile, and need another one."""
        unseen = self._unseen(case.event_id)
        if outcome is not None:
            verdict, code = outcome
            self._verdicts[verdict] += 1
            self._failures.update([code] if code else [])
            self._latency.observe(max(0.0, self._clock.wall() - case.at))
        if client is not None:
            self._busy[client] -= 1
        if unseen is None:
            del self._cases[case.event_id]
        else:
            self._add(replace(case, at=unseen[0].at, since=self._clock.monotonic()))

    def _run(self) -> None:
        while True:
            is_last, found, before = self._stopping.is_set(), False, self._log.view.stamp()
            self._wake.clear()
            with self._errors.survived():
                found = self.step()
            if is_last:
                return
            if not found:
                self._log.wait(before, self._wake)
