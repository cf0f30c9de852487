"""How many connections there may be, and how long one may keep us waiting.

uvicorn ends a connection that is idle after an answer, but waits for ever for a first request, for the rest of a
request's head ("slowloris"), and for a client that does not read; and its limit of connections would shut out health
checks as well.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from daemon.http.access import client_address
from daemon.http.rate import client_key

HEAD_BYTES = 16 << 10  # request line and headers
PATIENCE_S = 10.0  # for a whole head, and for a client to read on
MOST = 200  # connections, but for this machine's own
MOST_OF_ONE = 20  # of one address
LOOK_EVERY_S = 0.5


class BoundedConnection(H11Protocol):
    """One connection. This machine's own are timed, but always let in."""

    def connection_made(self, transport: Any) -> None:
        """Take the connection, or end it at once where there are too many."""
        super().connection_made(transport)
        address = client_address(self.client)
        self.key = None if address and address.is_loopback else client_key(address)
        self._since, self._unread = self.loop.time(), 0
        self._timer: asyncio.TimerHandle | None = None
        others = [c.key for c in self.connections if isinstance(c, BoundedConnection) and c.key]
        if self.key and (len(others) > MOST or others.count(self.key) > MOST_OF_ONE):
            transport.abort()
        else:
            self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        """End a connection on which nothing gets on; look again soon."""
        unread = self.transport.get_write_buffer_size()
        answering = self.cycle is not None and not self.cycle.response_complete
        now = self.loop.time()
        if (answering and not unread) or unread < self._unread:
            self._since = now
        self._unread = unread
        if now - self._since > PATIENCE_S:
            self.transport.abort()
        else:
            self._timer = self.loop.call_later(LOOK_EVERY_S, self._look)
