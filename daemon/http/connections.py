"""Limits on connections: how many there may be, and how long one may stay without progress.

Connections are counted where they are accepted: a TLS handshake costs a hundred times as much as a refusal, and a
client need never finish it. uvicorn closes a connection that is idle after a response, but it waits without limit for
a first request, for the rest of a request's head ("slowloris"), and for a client that does not read; and its limit of
connections would refuse health checks as well. Only public interfaces are used for that: a socket, an event loop, a
protocol that wraps uvicorn's, and an ASGI application.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from daemon.http.access import Address, client_address
from daemon.http.limits import LIMITS, RouteClass
from daemon.http.rate import RateLimit, client_key

HEAD_BYTES = 16 << 10  # request line and headers
PATIENCE_S = 10.0  # for a TLS handshake, for a whole head, and for a client to continue reading
MOST = 400  # connections, without those of this machine
MOST_OF_ONE = 24 + LIMITS[RouteClass.STREAM].most_open  # of one address; a browser opens 6, streams included
NEW = (200, 40.0)  # new connections of one address: at once, and a second
NEW_OF_ALL = (1000, 100.0)  # of all together: half a core is lost to handshakes at worst
LOOK_EVERY_S = 0.5


class Listener(socket.socket):
    """A listening socket that closes excess connections before anything is done for them.

    Connections of this machine are always accepted. Addresses that ``is_trusted`` are proxies: they count towards the
    connections of all, and have no limit of their own.
    """

    def __init__(self, family: int, kind: int, proto: int, is_trusted: Callable[[Address | None], bool]) -> None:
        super().__init__(family, kind, proto)
        self._is_trusted = is_trusted
        self._new, self._new_of_all = RateLimit(*NEW), RateLimit(*NEW_OF_ALL)
        self._open: list[tuple[str, socket.socket]] = []

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next connection; for an excess one raise ``ConnectionAbortedError``, as if its client had left."""
        near, peer = super().accept()
        address = client_address(peer)
        if (address and address.is_loopback) or self._admits(address, near):
            return near, peer
        near.close()
        raise ConnectionAbortedError

    def _admits(self, address: Address | None, near: socket.socket) -> bool:
        key = client_key(address)
        self._open = [(k, s) for k, s in self._open if s.fileno() >= 0]  # asyncio closes them
        if len(self._open) >= MOST:
            return False
        if not self._is_trusted(address):
            if [k for k, _ in self._open].count(key) >= MOST_OF_ONE:
                return False
            if self._new.take(key) or self._new_of_all.take(""):
                return False
        self._open.append((key, near))
        return True


class Connection:
    """An ``asyncio.Protocol`` around the server's: aborts a connection that makes no progress for ``PATIENCE_S``.

    A connection makes progress while the application serves its request, unless the client does not read; when a
    request has been served; and when the client reads.
    """

    def __init__(self, server: asyncio.Protocol, connections: "Connections") -> None:
        self._server, self._connections = server, connections
        self._serving = 0  # requests that the application works on

    def __getattr__(self, name: str) -> Any:
        """Return a method of the server's protocol: it gets all calls but those below unchanged."""
        return getattr(self._server, name)

    def connection_made(self, transport: asyncio.Transport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport, self._loop = transport, asyncio.get_running_loop()
        self._peer = (transport.get_extra_info("peername") or ("", 0))[:2]  # none: the client has left already
        self._since, self._unread = self._loop.time(), 0
        self._connections[self._peer] = self
        self._server.connection_made(transport)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._timer.cancel()
        if self._connections.get(self._peer) is self:  # a new connection may have the same port already
            del self._connections[self._peer]
        self._server.connection_lost(exc)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Mark the connection while the application works on a request of it."""
        self._serving += 1
        try:
            yield
        finally:
            self._serving -= 1
            self._since = self._loop.time()

    def _look(self) -> None:
        """Abort the connection if it makes no progress; else look again soon."""
        unread, now = self._transport.get_write_buffer_size(), self._loop.time()
        if (self._serving and not unread) or unread < self._unread:
            self._since = now
        self._unread = unread
        self._timer = self._loop.call_later(LOOK_EVERY_S, self._look)
        if now - self._since > PATIENCE_S:
            self._transport.abort()


class Connections(dict[tuple[str, int], Connection]):
    """The open connections by the address and port of their clients."""

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return the application, with the connection of each request marked while the request is served."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            """Serve a request, and count it for its connection."""
            connection = self.get(scope["client"])
            with connection.serving() if connection else nullcontext():  # none: lost before its request is served
                await app(scope, receive, send)

        return serve


class ServerLoop(asyncio.SelectorEventLoop):
    """An event loop whose servers time their connections, TLS handshakes included: uvicorn has no setting for that."""

    def __init__(self, connections: Connections) -> None:
        super().__init__()
        self._connections = connections

    async def create_server(self, protocol_factory: Callable[[], Any], *args: Any, **options: Any) -> asyncio.Server:
        """See ``asyncio.loop.create_server``."""
        if options.get("ssl"):
            options["ssl_handshake_timeout"] = PATIENCE_S
        factory: Any = lambda: Connection(protocol_factory(), self._connections)  # noqa: E731
        return await super().create_server(factory, *args, **options)
