"""Limits of one client address, by class of route.

A page loads dozens of thumbnails at once and keeps a stream of events open for hours; a health check is one request
every few seconds. Each class has its own bucket of requests (see ``rate``), which other classes do not use up, and a
maximum of unfinished requests. A route names its class where it is declared, or its router does for all its routes:
``APIRouter(dependencies=[limited(RouteClass.API)])``. What names no class is limited by ``guard.REQUESTS`` alone.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Any

from fastapi import Depends, HTTPException, Request

from daemon.http.rate import RateLimit
from workers.clock import Clock


@unique
class RouteClass(StrEnum):
    """A kind of use of the port."""

    PROBE = "probe"  # health checks
    METRICS = "metrics"  # scrapes
    API = "api"  # JSON
    SEARCH = "search"  # of what was recorded, a second of work each
    ASK = "ask"  # questions to a vision-language model, many seconds of work each
    MEDIA = "media"  # thumbnails, clips
    STREAM = "stream"  # server-sent events
    UPLOAD = "upload"  # files that are sent
    PAGE = "page"  # the page and its files


@dataclass(frozen=True, slots=True)
class RouteLimit:
    """What one address may request: ``burst`` at once, ``per_s`` a second in the long run, ``most_open`` unfinished."""

    burst: int
    per_s: float
    most_open: int


LIMITS = MappingProxyType(
    {
        RouteClass.PROBE: RouteLimit(60, 10.0, 10),
        RouteClass.METRICS: RouteLimit(20, 2.0, 4),
        RouteClass.API: RouteLimit(100, 20.0, 20),
        RouteClass.SEARCH: RouteLimit(20, 1.0, 3),
        RouteClass.ASK: RouteLimit(5, 1.0, 2),
        RouteClass.MEDIA: RouteLimit(300, 60.0, 16),
        RouteClass.STREAM: RouteLimit(30, 1.0, 16),
        RouteClass.UPLOAD: RouteLimit(100, 2.0, 4),
        RouteClass.PAGE: RouteLimit(100, 20.0, 20),
    }
)


class RequestLimits:
    """Counts requests by class and client address. For one thread."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._rates = {kind: RateLimit(limit.burst, limit.per_s, clock) for kind, limit in LIMITS.items()}
        self._open: Counter[tuple[RouteClass, str]] = Counter()

    @contextmanager
    def request(self, client: str | None) -> Iterator[Callable[[RouteClass], None]]:
        """Serve a request within the block, in which its route passes its class to the function that is yielded.

        The function raises ``HTTPException`` 429 if the request is one too many; a ``client`` None has no limits.
        """
        begun: list[tuple[RouteClass, str]] = []

        def begin(kind: RouteClass) -> None:
            """Count a request of this client, now that its class is known."""
            if client is not None:
                self._begin(kind, client)
                begun.append((kind, client))

        try:
            yield begin
        finally:
            self._open.subtract(begun)
            self._open += Counter()  # removes the zeros

    def _begin(self, kind: RouteClass, client: str) -> None:
        wait_s = self._rates[kind].take(client)
        if not wait_s and self._open[kind, client] >= LIMITS[kind].most_open:
            wait_s = 1
        if wait_s:
            raise too_many_requests(wait_s)
        self._open[kind, client] += 1


def limited(kind: RouteClass) -> Any:
    """Return a dependency for routes of a class, to be listed in their ``dependencies``."""

    async def check(request: Request) -> None:  # not in a thread of its own: counts are for one thread
        """Count the request in its class; raise ``HTTPException`` if there are too many."""
        request.state.begin(kind)

    return Depends(check)


def too_many_requests(wait_s: int) -> HTTPException:
    """Return the refusal of a request that may come again after ``wait_s`` seconds."""
    return HTTPException(429, "too_many_requests", {"retry-after": str(wait_s)})
