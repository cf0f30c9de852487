"""How many connections there may be, and how long one may keep us waiting.

Connections are counted where they are accepted: a TLS handshake costs a hundred times as much as a refusal, and a
client need never finish it. uvicorn ends a connection that is idle after an answer, but waits for ever for a first
request, for the rest of a request's head ("slowloris"), and for a client that does not read; and its limit of
connections would shut out health checks as well.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from daemon.http.access import Address, client_address
from daemon.http.rate import RateLimit, client_key

HEAD_BYTES = 16 << 10  # request line and headers
PATIENCE_S = 10.0  # for a TLS handshake, for a whole head, and for a client to read on
MOST = 200  # connections, but for this machine's own
MOST_OF_ONE = 20  # of one address
NEW = (200, 40.0)  # connections at once, and a second, of one address
NEW_OF_ALL = (1000, 100.0)  # of all together: half a core is lost to handshakes at worst
LOOK_EVERY_S = 0.5


class Listener(socket.socket):
    """A listening socket that closes connections which are too many, before anything is done for them.

    This machine's own are always let in; addresses that ``is_trusted`` are proxies' and come as often as they like.
    """

    def __init__(self, family: int, kind: int, proto: int, is_trusted: Callable[[Address | None], bool]) -> None:
        super().__init__(family, kind, proto)
        self._is_trusted = is_trusted
        self._new, self._new_of_all = RateLimit(*NEW), RateLimit(*NEW_OF_ALL)
        self._open: list[tuple[str, socket.socket]] = []

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next connection; for one too many raise ``ConnectionAbortedError``, as if its client had left."""
        near, peer = super().accept()
        address = client_address(peer)
        if (address and address.is_loopback) or self._admits(address, near):
            return near, peer
        near.close()
        raise ConnectionAbortedError

    def _admits(self, address: Address | None, near: socket.socket) -> bool:
        key = client_key(address)
        self._open = [(k, s) for k, s in self._open if s.fileno() >= 0]  # asyncio closes them
        clients = [k for k, _ in self._open]
        if len(clients) >= MOST or clients.count(key) >= MOST_OF_ONE:
            return False
        if not self._is_trusted(address) and (self._new.take(key) or self._new_of_all.take("")):
            return False
        self._open.append((key, near))
        return True


class ServerLoop(asyncio.SelectorEventLoop):
    """An event loop whose servers do not wait a minute for a handshake; uvicorn cannot be told how long."""

    async def create_server(self, *args: Any, **options: Any) -> asyncio.Server:
        """See ``asyncio.loop.create_server``."""
        if options.get("ssl"):
            options["ssl_handshake_timeout"] = PATIENCE_S
        return await super().create_server(*args, **options)


class BoundedConnection(H11Protocol):
    """One connection, timed."""

    def connection_made(self, transport: Any) -> None:
        """Take the connection."""
        super().connection_made(transport)
        self._since, self._unread = self.loop.time(), 0
        self._timer: asyncio.TimerHandle | None = None
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
