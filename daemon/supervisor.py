"""Desired against actual: every camera that should run has a stream, and one that fails is started again.

A stream that fails is restarted after a jittered back-off. Five restarts within a minute use up its budget: it is
then *degraded*, tried again ever more rarely, at most once a minute, and never given up silently. A file that
is no media at all will not become one, so it is not tried again. *Stuck* means no progress for several stall timeouts
while the source says it is up: such a stream is asked to stop, given a deadline, killed, and started again.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import structlog

from alignment.errors import WatchwordError
from daemon.runtime import Runtime, StreamHandle
from workers.backoff import Backoff
from workers.clock import Clock, Rounds, SystemClock
from workers.errors import ModelUnavailable, ServiceLost, SourceError
from workers.snapshots import StreamSnapshot
from workers.sources.url import is_live
from workers.types import CameraSpec, EventSpec

RESTARTS = 5
BUDGET_S = 60.0
RETRY_S = 10.0  # the longest wait while an outage is young: after one of a minute, streams run within 15 s
DEGRADED_RETRY_S = 60.0  # and when it has lasted ten minutes; in between, a tenth of how long it has lasted
STUCK_STALLS = 4  # stall timeouts without progress
STOP_DEADLINE_S = 10.0
START_DEADLINE_S = 300.0  # for opening, once; models may have to be loaded before

log = structlog.get_logger()


@dataclass(slots=True)
class Watched:
    """One camera: what is wanted of it, its running attempt, and its history."""

    camera: CameraSpec
    events: tuple[EventSpec, ...]
    backoff: Backoff
    rounds: Rounds
    handle: StreamHandle | None = None
    snapshot: StreamSnapshot = field(default_factory=lambda: StreamSnapshot(""))  # counters: of all attempts
    before: StreamSnapshot = field(default_factory=lambda: StreamSnapshot(""))  # of those before the running one
    retry_at: float | None = 0.0  # monotonic; None: not to be started again
    restarts: int = 0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS))
    degraded_at: float | None = None  # monotonic
    stop_by: float | None = None  # monotonic deadline of a stuck stream that was asked to stop
    attempts: int | None = None  # how often it may fail, its process end or stand still; None: ever again
    deaths: int = 0
    retired: bool = False  # nobody wants it any more: it is asked to end, and not started again
    idle_s: float = 0.0  # without progress, by the supervisor's own clock: other processes' may be stepped

    @property
    def degraded(self) -> bool:
        """Whether its restart budget is used up."""
        return self.degraded_at is not None

    @property
    def done(self) -> bool:
        """Whether nothing more will come: finished, or failed for good."""
        return self.handle is None and self.retry_at is None


class Supervisor:
    """Keeps the streams of a runtime going. Call ``step`` about twice a second; it does not block for long."""

    def __init__(self, runtime: Runtime, clock: Clock | None = None, retry: bool = True) -> None:
        """``retry`` False (``--once``): a stream that fails stays down."""
        self._runtime = runtime
        self._clock = clock or SystemClock()
        self._retry = retry
        self._watched: dict[str, Watched] = {}
        self._forgotten: dict[str, StreamSnapshot] = {}  # cameras that may come again, and go on counting

    @property
    def watched(self) -> tuple[Watched, ...]:
        """Return all cameras."""
        return tuple(self._watched.values())

    @property
    def snapshots(self) -> tuple[StreamSnapshot, ...]:
        """Return how all cameras are, also those that were forgotten: no counter ends or goes back."""
        return (*(w.snapshot for w in self.watched), *self._forgotten.values())

    def watch(self, camera: CameraSpec, events: tuple[EventSpec, ...], attempts: int | None = None) -> None:
        """Want a camera watched; it is started by the next ``step``.

        ``attempts``: how often its source may fail, its process end or stand still before it is given up, for a file
        that others wait behind; None: it is never given up.
        """
        backoff = Backoff(self._clock, max_s=RETRY_S)
        blank = StreamSnapshot(camera.name)
        snapshot = blank.after(self._forgotten.pop(camera.name, blank))
        rounds = Rounds(self._clock)
        self._watched[camera.name] = Watched(camera, events, backoff, rounds, snapshot=snapshot, attempts=attempts)

    def retire(self, name: str) -> None:
        """Ask a camera's stream for an orderly end, for good; it is ``done`` after that."""
        entry = self._watched[name]
        entry.retired, entry.retry_at = True, None
        if entry.handle is not None:
            entry.handle.stop()

    def forget(self, name: str) -> None:
        """Drop a camera that is done, but for its counters."""
        self._forgotten[name] = StreamSnapshot(name, "finished").after(self._watched.pop(name).snapshot)

    def step(self, only: str | None = None) -> None:
        """Look at every stream once, or at ``only`` that camera's, and start, restart or kill what needs it."""
        for entry in [e for e in self._watched.values() if only in (None, e.camera.name)]:
            if entry.handle is not None:
                self._look(entry)
            elif entry.retry_at is not None and self._clock.monotonic() >= entry.retry_at:
                entry.handle = self._runtime.start_stream(entry.camera, entry.events)
                entry.stop_by, entry.idle_s, entry.before = None, 0.0, entry.snapshot
                entry.rounds.passed()

    def drain(self, deadline_s: float) -> bool:
        """Ask every stream for an orderly end and wait; kill what has not ended by then; return whether all did."""
        for entry in self._watched.values():
            entry.retry_at = None
            if entry.handle is not None:
                entry.handle.stop()
        end = self._clock.monotonic() + deadline_s
        while self._running() and self._clock.monotonic() < end:
            self._clock.sleep(0.1)
            for entry in self._running():
                self._look(entry, retry=False)
        late = self._running()
        for entry in late:
            log.warning("stream did not stop in time", camera=entry.camera.name, deadline_s=deadline_s)
            assert entry.handle is not None
            entry.handle.kill()
        return not late

    def _running(self) -> list[Watched]:
        return [e for e in self._watched.values() if e.handle is not None]

    def _look(self, entry: Watched, retry: bool = True) -> None:
        """Take a stream's snapshot and act on it."""
        assert entry.handle is not None
        passed, before = entry.rounds.passed(), entry.snapshot.progress_wall
        try:
            entry.snapshot = entry.handle.snapshot().after(entry.before)
        except ServiceLost as error:
            self._died(entry, error, retry)
            return
        entry.idle_s = entry.idle_s + passed if entry.snapshot.progress_wall == before else 0.0
        state = entry.snapshot.state
        if state == "finished" and entry.stop_by is not None:  # it was stuck and obeyed: not the end of its source
            self._died(entry, ServiceLost("no progress", "the stream is started again"), retry)
        elif state == "finished":
            entry.handle, entry.retry_at = None, None
            log.info("stream finished", camera=entry.camera.name)
        elif state == "failed":
            failure = entry.snapshot.failure or WatchwordError("failed without saying why")
            end = self._died if isinstance(failure, SourceError) else self._ended
            end(entry, failure, retry and _may_succeed(entry.camera, failure))
        elif state == "running":
            entry.backoff.succeeded()
            if entry.degraded and self._clock.monotonic() - entry.recent[-1] > DEGRADED_RETRY_S + BUDGET_S:
                entry.degraded_at = None
            self._check_stuck(entry, STUCK_STALLS * entry.snapshot.stall_timeout_s, entry.snapshot.source.up)
        else:
            self._check_stuck(entry, START_DEADLINE_S, True)

    def _check_stuck(self, entry: Watched, patience_s: float, up: bool) -> None:
        assert entry.handle is not None
        now = self._clock.monotonic()
        if entry.stop_by is None:
            if up and entry.idle_s > patience_s:
                log.error("stream is stuck, stopping it", camera=entry.camera.name, idle_s=round(entry.idle_s, 1))
                entry.handle.stop()
                entry.stop_by = now + STOP_DEADLINE_S
        elif now > entry.stop_by:
            error = ServiceLost(f"no progress for {entry.idle_s:.0f} s", "the stream is started again")
            self._died(entry, error, True)

    def _died(self, entry: Watched, error: WatchwordError, retry: bool) -> None:
        """Note an end that may be the source's fault; what ends so again and again is given up where that is wanted."""
        entry.deaths += 1
        self._ended(entry, error, retry and entry.deaths != entry.attempts)

    def _ended(self, entry: Watched, error: WatchwordError, retry: bool) -> None:
        """Put an end to an attempt and plan the next one."""
        assert entry.handle is not None
        entry.handle.kill()
        entry.handle = None
        source = replace(entry.snapshot.source, up=False)  # a process that was killed could not say so
        why = entry.snapshot.error or str(error)
        entry.snapshot = replace(entry.snapshot, state="failed", error=why, source=source)
        if entry.retired or not (retry and self._retry):
            entry.retry_at = None
            log.error("stream failed", camera=entry.camera.name, error=entry.snapshot.error)
            return
        now = self._clock.monotonic()
        entry.recent.append(now)
        entry.restarts += 1
        if not entry.degraded and len(entry.recent) == RESTARTS and now - entry.recent[0] < BUDGET_S:
            entry.degraded_at = now
        wait = entry.backoff.failed()
        if entry.degraded_at is not None:
            wait = min(max(RETRY_S, (now - entry.degraded_at) / 10), DEGRADED_RETRY_S)
        entry.retry_at = now + wait
        log.error(
            "stream failed, starting it again",
            camera=entry.camera.name,
            error=entry.snapshot.error,
            wait_s=round(wait, 1),
            degraded=entry.degraded,
        )


def _may_succeed(camera: CameraSpec, failure: WatchwordError) -> bool:
    """Tell whether to try again. A model that cannot be loaded now was loaded when the daemon started."""
    return failure.retryable or is_live(camera.url) or isinstance(failure, ModelUnavailable)


def all_done(watched: Iterable[Watched]) -> bool:
    """Whether every stream has finished or failed for good."""
    return all(w.done for w in watched)
