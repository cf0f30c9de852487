"""One publisher for all streams: a sink, and the latest events for whoever asks."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path

from workers.events.event import Caption, Event, Verification
from workers.publish.base import Sink, SinkSnapshot
from workers.publish.log.event_log import EventLog
from workers.publish.redis.client import RedisSettings
from workers.publish.redis.sink import RedisSink
from workers.types import Receipt

KEEP_EVENTS = 1000
OWNER_S = 15.0  # how long the publisher of a daemon that was killed may take to be gone


def open_publisher(settings: RedisSettings | None, event_log_folder: Path | None) -> "PublisherService":
    """Return a publisher to Redis by way of an event log; without settings one that keeps events in memory."""
    if settings is None or event_log_folder is None:
        return PublisherService(None, None)
    event_log = EventLog(event_log_folder, wait_s=OWNER_S)
    try:
        return PublisherService(RedisSink(settings, event_log), KEEP_EVENTS)
    except BaseException:  # it is tried again: the log must have no owner then
        event_log.close()
        raise


class PublisherService:
    """The ``Sink`` of all streams; thread-safe. ``keep``: how many events are remembered, None: all."""

    def __init__(self, sink: Sink | None, keep: int | None) -> None:
        self._sink, self._keep = sink, keep
        self._lock = threading.Lock()
        self._latest: OrderedDict[str, Event] = OrderedDict()

    def publish(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        """Accept events for good; raise ``EventLogError``."""
        receipts = self._sink.publish(events) if self._sink else tuple(Receipt(e.id, e.revision) for e in events)
        self._remember([e for e, receipt in zip(events, receipts, strict=True) if not receipt.duplicate])
        return receipts

    def end_open(self, camera: str | None = None) -> tuple[Event, ...]:
        """End the live events that a stream which died left open; return their ends. ``camera`` None: of all."""
        ends = self._sink.end_open(camera) if self._sink else ()
        self._remember(ends)
        return ends

    def amend(
        self, event_id: str, verification: Verification | None = None, caption: Caption | None = None
    ) -> Event | None:
        """Add a verdict or a caption to an event; return its new revision, None where it is not in an event log."""
        event = self._sink.amend(event_id, verification, caption) if self._sink else None
        self._remember(filter(None, [event]))
        return event

    def _remember(self, events: Iterable[Event]) -> None:
        with self._lock:
            for event in events:
                known = self._latest.get(event.id)
                amended = known if known and known.amendments and not event.amendments else None
                self._latest[event.id] = event.following(amended) if amended else event
            while self._keep is not None and len(self._latest) > self._keep:
                self._latest.popitem(last=False)

    def take(self) -> tuple[Event, ...]:
        """Return the last revision of every remembered event, in order of their first, and forget them."""
        with self._lock:
            events = tuple(self._latest.values())
            self._latest.clear()
        return events

    def erase(self, ids: frozenset[str], before_s: float = 0.0) -> int:
        """Forget events, by id or as accepted before a Unix time; return how many revisions were on disk."""
        with self._lock:
            for identity in ids & self._latest.keys():
                del self._latest[identity]
        return self._sink.erase(ids, before_s) if self._sink else 0

    def follow(self, reader: str) -> int:
        """Keep in the event log what a reader has not acknowledged; return up to where it has."""
        return self._sink.follow(reader) if self._sink else 0

    def acknowledge(self, reader: str, up_to: int) -> None:
        """Let go of what a reader has acknowledged."""
        if self._sink:
            self._sink.acknowledge(reader, up_to)

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing waits in the event log."""
        return self._sink.flush(timeout_s) if self._sink else True

    def snapshot(self) -> SinkSnapshot:
        """Return the counters."""
        return self._sink.snapshot() if self._sink else SinkSnapshot()

    def close(self) -> None:
        """Stop; what is left waits in the event log."""
        if self._sink:
            self._sink.close()
