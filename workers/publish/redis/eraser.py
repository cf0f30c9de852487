"""Removing entries from the stream: those older than the retention, and those to be erased."""

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from workers.errors import PublishError
from workers.publish.redis.client import RedisClient, RedisSettings, connect
from workers.publish.redis.errors import NATIVE_ERRORS, publish_error

PAGE = 500  # entries in one call
TRIM = 10_000
COMPACT_S = 120.0
T = TypeVar("T")


def stream_names(settings: RedisSettings) -> tuple[str, ...]:
    """Return the keys of all streams of a server that have entries; raise ``PublishError``."""
    client: Any = connect(settings)
    try:
        return tuple(sorted(key for key in client.scan_iter(count=PAGE, _type="stream") if client.xlen(key)))
    except NATIVE_ERRORS as error:
        raise publish_error(error, settings.address) from None
    finally:
        client.close()


class StreamEraser:
    """Removes entries of one stream. Every method raises ``PublishError`` when the server does not respond."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._client: RedisClient = connect(settings)

    def delete(self, entries: Sequence[str]) -> None:
        """Remove entries by their ids; ids of entries that do not exist are ignored."""
        for first in range(0, len(entries), PAGE):
            part = entries[first : first + PAGE]
            self._ask(lambda c, part=part: c.xdel(self._settings.stream, *part))  # type: ignore[misc]  # a bound default

    def trim(self, before_s: float) -> int:
        """Remove entries published before a Unix time, about ``TRIM`` at most; return how many.

        Whole nodes of the stream cost next to nothing; the single entries behind them come last.
        """
        stream, least = self._settings.stream, f"{int(before_s * 1000)}-0"
        gone: Any = self._ask(lambda c: c.xtrim(stream, minid=least, approximate=True, limit=TRIM))
        return int(gone or cast(Any, self._ask(lambda c: c.xtrim(stream, minid=least, approximate=False))))

    def compact(self) -> None:
        """Make the server rewrite its append-only file, which contains the removed entries until then."""
        self._ask(lambda c: c.bgrewriteaof())
        deadline = time.monotonic() + COMPACT_S
        while time.monotonic() < deadline:
            state: Any = self._ask(lambda c: c.info("persistence"))
            if not state["aof_rewrite_in_progress"] and not state["aof_rewrite_scheduled"]:
                if state["aof_last_bgrewrite_status"] == "ok":
                    return
                break
            time.sleep(0.05)
        raise PublishError("the server did not rewrite its append-only file", "see its log, and forget again")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _ask(self, call: Callable[[RedisClient], T]) -> T:
        try:
            return call(self._client)
        except NATIVE_ERRORS as error:
            raise publish_error(error, self._settings.address) from None
