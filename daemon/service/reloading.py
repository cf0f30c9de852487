"""The configuration while the daemon runs: what the file says now is taken up, without stopping what did not change.

The file is read again when a signal (SIGHUP) or the API asks for it, and when it has changed: its time and size are
looked at every two seconds, and it is read once they have been the same twice, so that a file which is being written is
left alone. A file that is not valid changes nothing: its problems are logged with their lines, and shown in the health
check, until it is valid again.
"""

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from alignment.errors import WatchwordError
from daemon.config import Config, ConfigError, Problem
from daemon.config.changes import Changes, changes, in_force
from daemon.config.editing.store import ConfigStore
from daemon.logs.setup import register_secrets
from daemon.observability.snapshot import ConfigurationStatus
from workers.clock import Clock, SystemClock

POLL_S = 2.0

log = structlog.get_logger()


class Reloader:
    """Follows one configuration file. ``step`` is for the daemon's own thread, ``take_over`` for any."""

    def __init__(
        self,
        store: ConfigStore,
        started: Config,
        apply: Callable[[Config, Changes], None],
        wake: Callable[[], None] = lambda: None,
        clock: Clock | None = None,
    ) -> None:
        """Take the configuration that the daemon was started with, and what takes up another one.

        ``wake`` is called where ``step`` should be called soon.
        """
        self._store = store
        self._started = self._config = started
        self._apply, self._wake, self._clock = apply, wake, clock or SystemClock()
        self._requested = threading.Event()
        self._requested.set()  # what changed while the models were loaded
        self._status = ConfigurationStatus()
        self._known: tuple[int, ...] | None = None  # the file's time and size when it was read
        self._seen: tuple[int, ...] | None = None  # and when it was looked at last
        self._due = 0.0

    @property
    def status(self) -> ConfigurationStatus:
        """Return which version is in force, and what is wrong with the file. From any thread."""
        return self._status

    def request(self) -> None:
        """Read the file at the next ``step``."""
        self._requested.set()

    def take_over(self) -> Changes:
        """Have what the file says now taken up at once; return what that changes. From any thread.

        Raise ``ConfigError``.
        """
        found = changes(self._config, self._store.read()[0], self._started)
        self._requested.set()
        self._wake()
        return found

    def step(self) -> None:
        """Take up what the file says now, if it changed or somebody asked. Call it about twice a second."""
        asked = self._requested.is_set()
        if not (asked or self._has_changed()):
            return
        self._requested.clear()
        self._known = self._seen = self._look()
        try:
            config, version = self._store.read()
        except ConfigError as error:
            self._reject(error.problems)
            return
        except WatchwordError as error:
            self._reject((Problem(str(self._store.path), 0, "", error.message, error.hint),))
            return
        self._take(config, version)

    def _take(self, config: Config, version: str) -> None:
        found = changes(self._config, config, self._started)
        known, was_wrong = {str(w) for w in self._config.warnings}, bool(self._status.problems)
        first, loaded = not self._status.version, self._clock.wall()
        if not first and version == self._status.version and not was_wrong:
            return
        register_secrets(config.secrets())
        for doubt in config.warnings:
            if str(doubt) not in known:
                log.warning(
                    "check the configuration", key=doubt.key, line=doubt.line, doubt=doubt.message, hint=doubt.hint
                )
        self._config = in_force(self._started, config)
        self._status = ConfigurationStatus(version, loaded, needs_restart=found.needs_restart)
        if found:
            log.info("configuration changed", version=version, **found.as_json())
            try:
                self._apply(self._config, found)
            except Exception:  # boundary: cameras go on, whatever is wrong with a new setting
                log.exception("part of the configuration could not be taken up: restart the daemon")
        elif was_wrong:
            log.info("configuration is valid again", version=version)
        if found.needs_restart:
            log.warning("restart the daemon for these settings", keys=list(found.needs_restart))

    def _reject(self, problems: Sequence[Problem]) -> None:
        """Report what is wrong, once; all goes on as before."""
        if problems == self._status.problems:
            return
        self._status = replace(self._status, valid=False, problems=tuple(problems))
        for problem in problems:
            log.error(
                "configuration is not valid, and changes nothing",
                line=problem.line,
                key=problem.key,
                problem=problem.message,
                hint=problem.hint,
            )

    def _has_changed(self) -> bool:
        """Return whether the file has changed since it was read, and not in the last two seconds."""
        now = self._clock.monotonic()
        if now < self._due:
            return False
        self._due = now + POLL_S
        found, before = self._look(), self._seen
        self._seen = found
        return found == before != self._known

    def _look(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._store.path)
        except OSError:
            return ()
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
