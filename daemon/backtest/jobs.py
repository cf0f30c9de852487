"""Backtests that run in the background of a daemon: one at a time, with progress, until somebody stops them."""

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import structlog

from alignment.errors import WatchwordError
from daemon.backtest.estimate import Estimate
from daemon.backtest.run import Backtest, OnEstimate, OnProgress, Stopped
from workers.index.reader import IndexReader

MOST_WAITING = 4
KEPT = 20  # jobs that have ended, the latest

State = Literal["waiting", "running", "done", "failed", "stopped"]
Work = Callable[[OnProgress, threading.Event, OnEstimate], Backtest]

log = structlog.get_logger()


class BacktestsBusy(WatchwordError):
    """Too many backtests wait."""

    code = "backtests_busy"
    retryable = True
    remedy = "try again when one of them has ended"


@dataclass(slots=True)
class Job:
    """One backtest. ``done`` and ``total``: clips. ``cameras``: those whose decisions it shows."""

    id: str
    cameras: frozenset[str]
    state: State = "waiting"
    done: int = 0
    total: int = 0
    estimate: Estimate | None = None
    found: Backtest | None = None
    error: str | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def ended(self) -> bool:
        """Return whether nothing happens to it any more."""
        return self.state in ("done", "failed", "stopped")


class BacktestJobs:
    """Runs jobs one after the other in a thread of its own. From any thread."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._readers: dict[Path, IndexReader] = {}
        self._lock = threading.Lock()
        self._running = threading.Lock()

    def reader(self, index: Path) -> IndexReader:
        """Return the reader for all jobs: its shards stay mapped, and what is remembered of them stays valid."""
        return self._readers.setdefault(index, IndexReader(index))

    def start(self, work: Work, cameras: frozenset[str]) -> Job:
        """Start a job, or let it wait for the others; raise ``BacktestsBusy``."""
        job = Job(uuid.uuid4().hex, cameras)
        with self._lock:
            if sum(not one.ended for one in self._jobs.values()) > MOST_WAITING:
                raise BacktestsBusy("too many backtests wait")
            self._jobs[job.id] = job
            for old in [name for name, one in self._jobs.items() if one.ended][:-KEPT]:
                del self._jobs[old]
        threading.Thread(target=self._run, args=(job, work), name="backtest", daemon=True).start()
        return job

    def get(self, name: str) -> Job | None:
        """Return a job by its id; None if there is none, or none any more."""
        return self._jobs.get(name)

    def stop(self, name: str) -> None:
        """Stop a job and forget it."""
        with self._lock:
            job = self._jobs.pop(name, None)
        if job is not None:
            job.stopping.set()

    def close(self) -> None:
        """Stop all jobs; return at once."""
        for job in list(self._jobs.values()):
            job.stopping.set()

    def _run(self, job: Job, work: Work) -> None:
        def count(done: int, total: int) -> None:
            job.done, job.total = done, total

        def note(estimate: Estimate) -> None:
            job.estimate = estimate

        with self._running:
            if job.stopping.is_set():
                job.state = "stopped"
                return
            job.state = "running"
            try:
                job.found, job.state = work(count, job.stopping, note), "done"
            except Stopped:
                job.state = "stopped"
            except WatchwordError as error:
                job.error, job.state = str(error), "failed"
            except Exception as error:  # boundary: who waits for the job must learn of it
                log.exception("a backtest failed unexpectedly")
                job.error, job.state = f"it failed: {error!r}; this is a bug: please report it", "failed"
