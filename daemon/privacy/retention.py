"""Thread of the daemon that removes expired data and processes requests of `watchword forget`."""

import math
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import structlog

from alignment.errors import WatchwordError
from daemon.config.sections.privacy import RetentionConfig
from daemon.privacy.forgetting import forget, read_receipt
from daemon.privacy.kinds import KINDS
from daemon.privacy.requests import answer_all
from daemon.privacy.stores.old_streams import reached
from daemon.privacy.stores.store import Limits, Places
from workers.events.erasures import Scope

POLL_S = 0.5
RETRY_S = 60.0
FORMER_S = 86_400.0
LONGEST_S, SHARE = 300.0, 10  # a pass every tenth of the shortest retention, at least every five minutes

log = structlog.get_logger()


class Janitor:
    """Keeps the data of one daemon within its limits. ``removed`` counts removed items by kind and reason."""

    def __init__(self, places: Places, retention: RetentionConfig) -> None:
        self.removed: Counter[tuple[str, str]] = Counter({(k.name, "retention"): 0 for k in KINDS if k.retention})
        self.removed.update({(k.name, "forget"): 0 for k in KINDS if k.store})
        self._places = places
        self.change(retention)
        self._former_due = 0.0 if retention.events is not None else math.inf  # monotonic
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="janitor", daemon=True)

    def change(self, retention: RetentionConfig) -> None:
        """Keep data for other times from the next pass on. From any thread."""
        keeps = [getattr(retention, k.retention) for k in KINDS if k.retention]
        self._retention = retention
        self._every_s = min([LONGEST_S, *(keep / SHARE for keep in keeps if keep is not None)])

    def start(self) -> None:
        """Start the thread; the first pass runs immediately."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Stop the thread after its current step."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def expire(self) -> None:
        """Run one bounded pass over all kinds. A kind that fails is logged; the others continue."""
        with ExitStack() as stack:
            self._expire(self._whole(stack))

    def _whole(self, stack: ExitStack) -> Places:
        """Return the places with former streams. If that needs a server to be started, this happens once per day."""
        if not self._places.embedded:
            if time.monotonic() < self._former_due:
                return self._places
            self._former_due = time.monotonic() + min(FORMER_S, (self._retention.events or 0) / SHARE)
        try:
            return stack.enter_context(reached(self._places, sweep=True))
        except (WatchwordError, OSError) as error:
            log.warning("retention cannot be kept", kind="events", error=str(error))
            return self._places

    def _expire(self, places: Places) -> None:
        gone: dict[str, int] = {}
        for kind in KINDS:
            if kind.retention is None or kind.store is None:
                continue
            keep: float | None = getattr(self._retention, kind.retention)
            size: int | None = getattr(self._retention, f"{kind.retention}_size", None)
            try:
                count = kind.store(places).expire(Limits(None if keep is None else time.time() - keep, size))
            except (WatchwordError, OSError) as error:
                log.warning("retention cannot be kept", kind=kind.name, error=str(error))
                continue
            self.removed[kind.name, "retention"] += count
            gone |= {kind.name: count} if count else {}
        if gone:
            log.info("data past its retention removed", **gone)

    def _run(self) -> None:
        began = -math.inf
        while not self._stopping.is_set():
            try:
                answer_all(self._places.layout, self._forget)
                if time.monotonic() >= began + self._every_s:
                    self.expire()
                    began = time.monotonic()
            except Exception:  # without this thread data would stay for ever, without a word
                log.exception("the janitor failed, and tries again")
                self._stopping.wait(RETRY_S)
            self._stopping.wait(POLL_S)

    def _forget(self, scope: Scope) -> Path:
        receipt = forget(self._places, scope)
        for kind, count in read_receipt(receipt)["removed"].items():
            self.removed[kind, "forget"] += count
        log.info("forgotten", receipt=str(receipt))
        return receipt
