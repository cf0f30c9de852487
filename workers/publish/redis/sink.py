"""Events into one Redis stream, each (id, revision) once, in order, through any failure of the server.

``publish`` returns when the events are on disk. One thread takes them from the event log in order and sends them
in batches, each one call of ``publish.lua``: a script stops at its first error, so nothing overtakes what failed,
and what it did before is recognised on the second try.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import resources
from itertools import chain
from typing import Any, TypeVar

import structlog
from redis.exceptions import NoScriptError

from alignment.errors import WatchwordError
from workers.backoff import Backoff
from workers.clock import SystemClock
from workers.errors import EventLogError
from workers.events.event import Caption, Event, Verification
from workers.publish.base import SinkSnapshot
from workers.publish.log.event_log import EventLog
from workers.publish.log.records import Record
from workers.publish.redis.client import RedisClient, RedisSettings, connect
from workers.publish.redis.errors import NATIVE_ERRORS, publish_error
from workers.publish.redis.fields import Value, entry_fields
from workers.types import Receipt

T = TypeVar("T")

BATCH = 64  # events in one call: a few hundred kilobytes, about a millisecond of the server's time
IDLE_PING_S = 5.0  # how stale ``connected`` may be while nothing happens
LONGEST_WAIT_S = 5.0  # with the time limit of the try before: events go on within ten seconds of a server's return
CLOSE_S = 1.0
READER = "redis"  # its name in the event log

log = structlog.get_logger()


class EventScript:
    """``publish.lua`` on one server: by its hash, in full where the server does not know it yet."""

    def __init__(self, client: RedisClient, settings: RedisSettings) -> None:
        self._client = client
        self._settings = settings
        self._text = resources.files("workers.publish.redis").joinpath("publish.lua").read_text(encoding="utf-8")
        self._sha = _sha1(self._text)

    def add(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        """Add events in order; raise redis-py's errors."""
        settings = self._settings
        keys = [settings.stream, *(settings.marker(e) for e in events)]
        values = [settings.marker_ttl_s, settings.maxlen, *(v for e in events for v in _arguments(e))]
        replies: Any
        try:
            replies = self._client.evalsha(self._sha, len(keys), *keys, *values)
        except NoScriptError:
            replies = self._client.eval(self._text, len(keys), *keys, *values)
        return tuple(Receipt(e.id, e.revision, bool(known)) for e, (_, known) in zip(events, replies, strict=True))


def _arguments(event: Event) -> tuple[Value, ...]:
    """Return what ``publish.lua`` takes for one event: the number of values, then names and values of the fields."""
    pairs = tuple(chain.from_iterable(entry_fields(event).items()))
    return (len(pairs), *pairs)


def _sha1(text: str) -> str:
    # Redis names scripts by SHA-1; nothing secret hangs on it.
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class RedisSink:
    """A ``Sink`` that writes to a Redis stream by way of an event log, which it owns from now on and closes.

    ``backoff_s``: shortest and longest wait before another try.
    """

    def __init__(
        self,
        settings: RedisSettings,
        event_log: EventLog,
        backoff_s: tuple[float, float] = (0.2, LONGEST_WAIT_S),
    ) -> None:
        self._settings = settings
        self._url = settings.address
        self._log, self._unpublished = event_log, event_log.reader(READER)
        self._sending = threading.Lock()  # held from when a batch is read until it is published
        self._pause_s = backoff_s[0]
        self._backoff = Backoff(SystemClock(), *backoff_s, stable_s=0.0)
        self._client: RedisClient | None = None  # of the thread alone
        self._script: EventScript | None = None
        self._changed = threading.Condition()  # guards what follows
        self._fresh = self._hurry = self._stopping = False
        self._accepts = True
        self._counts = SinkSnapshot(connected=False)
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def publish(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        """Keep events on disk and return."""
        kept = self._keeping(lambda: self._log.append(events))
        return tuple(Receipt(e.id, e.revision, seq is None) for e, seq in zip(events, kept, strict=True))

    def end_open(self, camera: str | None = None) -> tuple[Event, ...]:
        """End what was left open, with what is known of it; later revisions of these events are refused."""
        return self._keeping(lambda: self._log.end_open(camera))

    def amend(
        self, event_id: str, verification: Verification | None = None, caption: Caption | None = None
    ) -> Event | None:
        """Keep an amendment on disk and return it."""
        return self._keeping(lambda: self._log.amend(event_id, verification, caption))

    def _keeping(self, keep: Callable[[], T]) -> T:
        try:
            kept = keep()
        except EventLogError:
            self._accepts = False
            raise
        with self._changed:
            self._accepts = self._fresh = True
            self._changed.notify_all()
        return kept

    def erase(self, ids: frozenset[str], before_s: float = 0.0) -> int:
        """Remove events from the disk, and what was accepted before a Unix time; none of them is on its way then."""
        with self._sending:
            return self._log.erase(ids, before_s)

    def follow(self, reader: str) -> int:
        """Keep in the event log what a reader has not acknowledged; return up to where it has."""
        self._log.reader(reader, start="end")
        return self._log.position(reader)

    def acknowledge(self, reader: str, up_to: int) -> None:
        """Move the cursor of a reader, which is registered anew where this process has been restarted."""
        self._log.reader(reader, start="end").acknowledge(up_to)

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing waits in the event log; the current back-off is cut short."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._stopping or not self._unpublished.snapshot().waiting, timeout_s)
            self._hurry = False
        return not self._unpublished.snapshot().waiting

    def snapshot(self) -> SinkSnapshot:
        """Return the counters."""
        unpublished, damaged = self._unpublished.snapshot(), self._log.snapshot().damaged
        with self._changed:
            return replace(
                self._counts,
                waiting=unpublished.waiting,
                spool_accepts=self._accepts,
                spool_bytes=unpublished.bytes,
                spool_oldest_s=unpublished.oldest_s,
                log_damaged=damaged,
            )

    def close(self) -> None:
        """Stop at once; what is left waits in the event log for the next start.

        A call that a silent server still owes an answer is left to its time limit: whether it was executed, the
        markers tell the next start.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(CLOSE_S)
        self._log.close()

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._step()
                self._backoff.succeeded()
            except Exception as error:  # a publisher that died would hold every event back without a word
                self._failed(error)
                self._wait_after(error)
        self._disconnect()

    def _step(self) -> None:
        """Send one batch; without one, wait, asking now and then whether the server is there."""
        with self._sending:
            batch = self._unpublished.next(BATCH)
            if batch:
                self._send(batch)
                return
        with self._changed:
            idle = self._counts.connected and not self._changed.wait_for(
                lambda: self._fresh or self._stopping, IDLE_PING_S
            )
            self._fresh = False
            ask = idle or not self._counts.connected
        if ask:
            self._ask(lambda client, _: client.ping())
            self._succeeded(())

    def _send(self, batch: Sequence[Record]) -> None:
        receipts = self._ask(lambda _, script: script.add([record.event for record in batch]))
        self._unpublished.acknowledge(batch[-1].seq)
        self._succeeded(receipts)

    def _ask(self, call: Callable[[RedisClient, EventScript], T]) -> T:
        """Call the server; after an error the next call connects anew, perhaps to another machine."""
        if self._client is None or self._script is None:
            self._client = connect(self._settings)
            self._script = EventScript(self._client, self._settings)
        try:
            return call(self._client, self._script)
        except NATIVE_ERRORS as error:
            self._disconnect()
            raise publish_error(error, self._url) from None

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = self._script = None

    def _succeeded(self, receipts: Sequence[Receipt]) -> None:
        known = sum(r.duplicate for r in receipts)
        with self._changed:
            before = self._counts
            if before.last_error:
                log.info("Redis accepts events again", url=str(self._url))
            self._counts = replace(
                before,
                connected=True,
                published=before.published + len(receipts) - known,
                duplicates=before.duplicates + known,
                last_error=None,
            )
            self._changed.notify_all()

    def _failed(self, error: Exception) -> None:
        known = isinstance(error, WatchwordError)
        text = f"{error.code}: {error}" if isinstance(error, WatchwordError) else f"unexpected: {type(error).__name__}"
        with self._changed:
            new = text.partition(":")[0] != (self._counts.last_error or "").partition(":")[0]
            self._counts = replace(self._counts, connected=False, retries=self._counts.retries + 1, last_error=text)
        if new:
            log.warning("publishing waits", error=text, exc_info=None if known else error)

    def _wait_after(self, error: Exception) -> None:
        """Wait before another try; a flush that waits for it makes the wait short."""
        delay = self._backoff.failed(not isinstance(error, WatchwordError) or error.retryable)
        with self._changed:
            if self._changed.wait_for(lambda: self._stopping or self._hurry, delay):
                self._changed.wait_for(lambda: self._stopping, min(delay, self._pause_s))
