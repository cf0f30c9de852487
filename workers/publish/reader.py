"""The reading side of the stream: follow it, list events with their latest revision, find one."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from workers.publish.bodies import KINDS, is_share, is_time, load_body
from workers.publish.redis_errors import NATIVE_ERRORS, publish_error
from workers.publish.redis_settings import RedisClient, RedisSettings, connect
from workers.timestamps import LATEST_S
from workers.types import Event

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
        """Return when it was published, Unix seconds by the server's clock or as a writer set it, until year 9999."""
        return min(int(self.entry.partition("-")[0]) / 1000, LATEST_S)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events to read; None: all. Times are those of publishing, Unix seconds."""

    camera: str | None = None
    event: str | None = None
    since: float | None = None
    until: float | None = None

    def admits(self, values: dict[str, str]) -> bool:
        """Return whether camera and event of an entry are wanted."""
        return self.camera in (None, values.get("camera")) and self.event in (None, values.get("event"))


class EventReader:
    """Reads one stream. Every method raises ``PublishError`` when the server does not answer."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._client: RedisClient = connect(settings)

    def tail(self, wanted: Wanted, after: str = "$", block_ms: int = 1000) -> Iterator[Entry | None]:
        """Yield revisions behind entry ``after`` (``0``: all, ``$``: new ones) as they come, endlessly.

        None is yielded when nothing came for ``block_ms`` (shorter than the settings' time limit).
        """
        last = self._last_entry() if after == "$" else after
        while True:
            rows = self._after(last, block_ms)
            if not rows:
                yield None
            for entry_id, values in rows:
                last = entry_id
                entry = parse(entry_id, values) if wanted.admits(values) else None
                if entry:
                    yield entry

    def newest_first(self, wanted: Wanted, prefix: str = "") -> Iterator[Entry]:
        """Yield all revisions of events whose id starts with ``prefix``, the last published first."""
        stop = "+" if wanted.until is None else str(int(wanted.until * 1000))
        first = "-" if wanted.since is None else str(int(wanted.since * 1000))
        while True:
            rows = self._before(stop, first)
            for entry_id, values in rows:
                # Bodies are long: only those that are wanted are parsed.
                if values.get("id", "").startswith(prefix) and wanted.admits(values):
                    entry = parse(entry_id, values)
                    if entry:
                        yield entry
            if len(rows) < PAGE:
                return
            stop = f"({rows[-1][0]}"

    def latest(self, wanted: Wanted, limit: int) -> list[Entry]:
        """Return the latest revision of the ``limit`` last events, oldest first."""
        # The stream is in order, so the first revision met on the way back is the latest.
        seen: dict[str, Entry] = {}
        for entry in self.newest_first(wanted):
            if entry.event.id not in seen and len(seen) == limit:
                break
            seen.setdefault(entry.event.id, entry)
        return list(reversed(seen.values()))

    def revisions(self, wanted: Wanted, limit: int) -> list[Entry]:
        """Return the ``limit`` revisions published last, oldest first."""
        return list(itertools.islice(self.newest_first(wanted), limit))[::-1]

    def find(self, id_or_prefix: str) -> list[Entry]:
        """Return the latest revision of the event with this id; else of all events whose id starts so."""
        seen: dict[str, Entry] = {}
        for entry in self.newest_first(Wanted(), id_or_prefix):
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


def parse(entry_id: str, values: dict[str, str]) -> Entry | None:
    """Return the event of an entry, None for one that somebody else wrote: anyone may add to a stream."""
    try:
        body = load_body(values["body"])
        kind: Any = values["type"]
        head = (kind, values["id"], int(values["revision"]), values["camera"], values["event"])
        start, end, score = float(values["start"]), float(values["end"]), float(values["score"])
    except (KeyError, TypeError, ValueError):
        return None
    if kind not in KINDS or not (is_time(start) and is_time(end) and is_share(score)):
        return None
    return Entry(entry_id, Event(*head, start, end, score, body))
