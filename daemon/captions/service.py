"""The thread that has closed events described, and when none waits uploads."""

import logging
import threading
from collections import Counter
from collections.abc import Callable

import structlog

from daemon.captions.event_captions import Amend, EventCaptions
from daemon.captions.store import CaptionStore
from daemon.captions.turns import Turns
from daemon.captions.upload_captions import Done, UploadCaptions, Uploads
from daemon.config import Config
from daemon.config.sections.cameras import UPLOADS
from daemon.logs.failures import Failures
from daemon.observability.snapshot import CaptionsSnapshot
from daemon.vlm.errors import VlmError
from daemon.vlm.factory import VlmClients
from daemon.vlm.waiting import wait_for_model
from workers.backoff import Backoff
from workers.clock import Clock, SystemClock
from workers.publish.log.following import Acknowledge, Follow
from workers.state_layout import StateLayout

LOOK_S = 0.5
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 300.0  # after a question that failed
GIVE_UP = 3  # failed questions in a row after which ``flush`` waits no longer

log = structlog.get_logger(__name__)


class CaptionService:
    """Has events and uploads described, where a verifier is asked for it.

    ``follow``, ``acknowledge`` and ``amend`` are those of the runtime. ``done`` is called with each upload that is
    described. ``is_busy`` returns whether verification has work, for which captions wait.
    """

    def __init__(
        self,
        config: Config,
        layout: StateLayout,
        clients: VlmClients,
        follow: Follow,
        acknowledge: Acknowledge,
        amend: Amend,
        uploads: Uploads,
        done: Done,
        is_busy: Callable[[], bool],
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._stopping = threading.Event()
        turns = Turns(is_busy, self._stopping, self._clock)
        self._made = Counter[str]()
        self._events = EventCaptions(layout, follow, acknowledge, amend, turns, self._clock, self._made)
        store = CaptionStore(layout.captions)
        self._uploads = UploadCaptions(store, uploads, turns, self._clock, done, self._made)
        self._backoff, self._not_before = Backoff(self._clock, FIRST_WAIT_S, LONGEST_WAIT_S), 0.0
        self._settings = config, clients
        self._rests = self._failures = 0  # steps without work; questions in a row that failed
        failed = "captions failed, and are tried again"
        self._errors = Failures(log, "captions wait", failed, self._stopping, logging.WARNING)
        self._thread = threading.Thread(target=self._run, name="captions", daemon=True)

    def apply(self, config: Config, clients: VlmClients) -> None:
        """Ask by other settings from the next caption on. From any thread."""
        self._settings = config, clients

    def snapshot(self) -> CaptionsSnapshot:
        """Return the counters. From any thread."""
        return CaptionsSnapshot(self._events.waiting, dict(self._made))

    def start(self) -> None:
        """Begin behind what is described."""
        self._thread.start()

    def flush(self, timeout_s: float, is_cancelled: Callable[[], bool]) -> None:
        """Wait until all that has ended is described, or the verifier has failed several times in a row."""
        enough = self._rests + 2  # what is looked at now may have been looked for before the last upload

        def is_done() -> bool:
            """Return whether nothing is waited for any more."""
            self._uploads.look_at_once()
            return self._rests >= enough or self._failures >= GIVE_UP or not self._is_wanted(self._settings[1])

        wait_for_model("captions", lambda: self._events.waiting, is_done, timeout_s, is_cancelled, self._clock)

    def stop(self, timeout_s: float) -> None:
        """End the thread; what has no caption gets one after the next start."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def step(self) -> bool:
        """Describe one event, or go on with an upload; return whether there was anything. Raise ``WatchwordError``."""
        config, clients = self._settings
        if not self._events.follows and not self._is_wanted(clients):
            return False
        self._events.read()
        if self._clock.monotonic() < self._not_before:
            return False
        try:
            found = self._events.describe_next(config, clients) or self._describe_upload(config, clients)
        except VlmError:
            self._not_before = self._clock.monotonic() + self._backoff.failed()
            self._failures += 1
            raise
        finally:
            self._events.let_go()
        if found:
            self._backoff.succeeded()
            self._failures = 0
        else:
            self._rests += 1
        return found

    def _is_wanted(self, clients: VlmClients) -> bool:
        return any(client.settings.captions for client in clients.all)

    def _describe_upload(self, config: Config, clients: VlmClients) -> bool:
        client = clients.of(UPLOADS)
        return client is not None and client.settings.captions and self._uploads.describe_next(config, client)

    def _run(self) -> None:
        while not self._stopping.is_set():
            found = False
            with self._errors.survived():
                found = self.step()
            if not found:
                self._stopping.wait(LOOK_S)
