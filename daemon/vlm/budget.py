"""Counts of the calls to one server. Those of the day are on disk: a restart grants no further calls."""

import json
import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import structlog

from alignment.file_io import make_folder, replacing
from daemon.config.sections.verifier import VlmSettings
from daemon.vlm.errors import VlmBudgetSpent
from workers.clock import Clock, SystemClock
from workers.file_lock import LockHeld, hold_lock

MINUTE_S, DAY_S = 60.0, 86_400.0
LOCK_WAIT_S = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Spent:
    """Calls and tokens of one day, which is counted from 1970 in UTC."""

    day: int
    calls: int = 0
    tokens: int = 0


class CallBudget:
    """Counts the calls to one server, in a file that other processes may use too; without a path in memory.

    From any thread.
    """

    def __init__(self, path: Path | None = None, clock: Clock | None = None) -> None:
        self._path, self._clock = path, clock or SystemClock()
        self._mutex = threading.Lock()
        self._recent: deque[float] = deque()  # calls of the last minute, monotonic
        self._known = Spent(0)
        self._doubted = False

    def take(self, settings: VlmSettings) -> float:
        """Count a call and return 0; or count none, and return the seconds after which the minute allows one.

        Raise ``VlmBudgetSpent`` if the day allows none.
        """
        with self._mutex:
            now = self._clock.monotonic()
            while self._recent and self._recent[0] <= now - MINUTE_S:
                self._recent.popleft()
            if len(self._recent) >= settings.calls_per_minute:
                return self._recent[-settings.calls_per_minute] + MINUTE_S - now
            with self._locked():
                spent = self._read()
                if spent.calls >= settings.calls_per_day:
                    raise VlmBudgetSpent(f"today's {settings.calls_per_day} calls of {settings.model} are used up")
                if settings.tokens_per_day is not None and spent.tokens >= settings.tokens_per_day:
                    raise VlmBudgetSpent(f"today's {settings.tokens_per_day} tokens of {settings.model} are used up")
                self._write(replace(spent, calls=spent.calls + 1))
            self._recent.append(now)
        return 0.0

    def spend(self, tokens: int) -> None:
        """Count the tokens of a call."""
        with self._mutex, self._locked():
            spent = self._read()
            self._write(replace(spent, tokens=spent.tokens + tokens))

    def today(self) -> Spent:
        """Return what was used today."""
        with self._mutex:
            return self._read()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from the file; where that cannot be, go on without: counts may be too low then."""
        lock = None
        if self._path is not None:
            try:
                make_folder(self._path.parent, 0o700)
                lock = hold_lock(self._path.with_suffix(".lock"), "", LOCK_WAIT_S)
            except (OSError, LockHeld) as error:
                self._doubt(error)
        try:
            yield
        finally:
            if lock is not None:
                os.close(lock)

    def _read(self) -> Spent:
        today = int(self._clock.wall() // DAY_S)
        if self._path is not None:
            try:
                self._known = Spent(**json.loads(self._path.read_text(encoding="ascii")))
            except FileNotFoundError:
                pass
            except (OSError, ValueError, TypeError) as error:
                self._doubt(error)
        return self._known if self._known.day == today else Spent(today)

    def _write(self, spent: Spent) -> None:
        self._known = spent
        if self._path is not None:
            try:
                with replacing(self._path, private=True) as part:
                    part.write_text(json.dumps(asdict(spent)), encoding="ascii")
            except OSError as error:
                self._doubt(error)

    def _doubt(self, error: Exception) -> None:
        if not self._doubted:
            self._doubted = True
            log.warning("calls of the verifier are counted in memory only", path=str(self._path), error=str(error))
