"""Reading the stream: following it, listing events with their latest revision, finding one event."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from workers.events.event import Event
from workers.events.timestamps import LATEST_S
from workers.publish.redis.client import RedisClient, RedisSettings, connect
from workers.publish.redis.errors import NATIVE_ERRORS, publish_error
from workers.publish.redis.fields import read_event

PAGE = 500  # entries a call, about a megabyte
T = TypeVar("T")
_Rows = Sequence[tuple[str, dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Entry:
    """An event in the stream; ``entry`` is the Redis entry id."""

    entry: str
    event: Event

    @property
    def published_s(self) -> float:
        """Return the time of publishing, Unix seconds (the server's clock, or a writer's value), at most year 9999."""
        return min(int(self.entry.partition("-")[0]) / 1000, LATEST_S)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Selects events by camera, name and time of publishing (Unix seconds); None: all."""

    camera: str | None = None
    event: str | None = None
    since: float | None = None
    until: float | None = None

    def admits(self, values: dict[str, str]) -> bool:
        """Return whether camera and event of an entry match."""
        return self.camera in (None, values.get("camera")) and self.event in (None, values.get("event"))


class EventReader:
    """Reads one stream. Every method raises ``PublishError`` when the server does not respond."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._client: RedisClient = connect(settings)

    def tail(self, wanted: EventFilter, after: str = "$", block_ms: int = 1000) -> Iterator[Entry | None]:
        """Yield revisions after entry ``after`` (``0``: all, ``$``: only new ones) as they are published, without end.

        None is yielded when nothing was published for ``block_ms`` (shorter than the settings' time limit).
        """
        last = self._last_entry() if after == "$" else after
        while True:
            rows = self._after(last, block_ms)
            if not rows:
                yield None
            for entry_id, values in rows:
                last = entry_id
                entry = _parse(entry_id, values) if wanted.admits(values) else None
                if entry:
                    yield entry

    def newest_first(self, wanted: EventFilter, prefix: str = "") -> Iterator[Entry]:
        """Yield all revisions of events whose id starts with ``prefix``, the newest first."""
        stop = "+" if wanted.until is None else str(int(wanted.until * 1000))
        first = "-" if wanted.since is None else str(int(wanted.since * 1000))
        while True:
            rows = self._before(stop, first)
            for entry_id, values in rows:
                # Bodies are long: only those of matching entries are parsed.
                if values.get("id", "").startswith(prefix) and wanted.admits(values):
                    entry = _parse(entry_id, values)
                    if entry:
                        yield entry
            if len(rows) < PAGE:
                return
            stop = f"({rows[-1][0]}"

    def latest(self, wanted: EventFilter, limit: int) -> list[Entry]:
        """Return the latest revision of the ``limit`` last events, oldest first."""
        # The stream is in order, so going backwards the first revision of an event is its latest.
        seen: dict[str, Entry] = {}
        for entry in self.newest_first(wanted):
            if entry.event.id not in seen and len(seen) == limit:
                break
            seen.setdefault(entry.event.id, entry)
        return list(reversed(seen.values()))

    def revisions(self, wanted: EventFilter, limit: int) -> list[Entry]:
        """Return the ``limit`` revisions published last, oldest first."""
        return list(itertools.islice(self.newest_first(wanted), limit))[::-1]

    def find(self, id_or_prefix: str) -> list[Entry]:
        """Return the latest revision of the event with this id, else of all events whose id starts with it."""
        seen: dict[str, Entry] = {}
        for entry in self.newest_first(EventFilter(), id_or_prefix):
            if entry.event.id == id_or_prefix:
                return [entry]
            seen.setdefault(entry.event.id, entry)
        return list(seen.values())

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _last_entry(self) -> str:
        rows = self._before("+", "-", 1)
        return rows[0][0] if rows else "0"

    def _before(self, stop: str, first: str, count: int = PAGE) -> _Rows:
        stream = self._settings.stream
        return cast(_Rows, self._ask(lambda c: c.xrevrange(stream, stop, first, count=count)))

    def _after(self, last: str, block_ms: int) -> _Rows:
        stream = self._settings.stream
        reply: Any = self._ask(lambda c: c.xread({stream: last}, count=PAGE, block=block_ms))
        if isinstance(reply, dict):  # RESP3; RESP2 answers with a list of pairs
            reply = list(reply.items())
        return cast(_Rows, reply[0][1]) if reply else ()

    def _ask(self, call: Callable[[RedisClient], T]) -> T:
        try:
            return call(self._client)
        except NATIVE_ERRORS as error:
            raise publish_error(error, self._settings.address) from None


def _parse(entry_id: str, fields: dict[str, str]) -> Entry | None:
    event = read_event(fields)
    return Entry(entry_id, event) if event else None
