"""The HTTP or HTTPS server, in a thread of its own, with bounded connections."""

import asyncio
import errno
import socket
import threading
import time
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from alignment.errors import WatchwordError
from daemon.config.errors import UnusableSetting
from daemon.http.access import Address
from daemon.http.connections import HEAD_BYTES, Connections, Listener, ServerLoop
from daemon.http.tls import TlsFiles

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 2.0
TLS_REFRESH_S = 30


class HttpPortError(UnusableSetting):
    """Another program already listens on the HTTP port."""

    code = "http_port_taken"
    remedy = "stop that program, or set another http.port"


class HttpAddressError(UnusableSetting):
    """The HTTP server cannot listen: the host is not an address of this machine, or the port is not permitted."""

    code = "http_address_invalid"
    remedy = "set http.host to an address of this machine, and http.port to 1024 or more"


class HttpServer:
    """Serves an application from a thread of its own."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        tls: TlsFiles | None = None,
        is_trusted: Callable[[Address | None], bool] = lambda address: False,
    ) -> None:
        """``is_trusted`` returns whether an address is a proxy's, which may connect as often as it likes."""
        self._host, self._port, self._tls, self._is_trusted = host, port, tls, is_trusted
        self._connections = Connections()
        config = uvicorn.Config(
            self._connections.around(app),
            http="h11",
            ws="none",
            log_config=None,  # ``daemon.logs.setup`` configures its loggers
            access_log=False,
            server_header=False,
            proxy_headers=False,  # a client is the address that connects, not one named in a header
            lifespan="off",
            h11_max_incomplete_event_size=HEAD_BYTES,
            timeout_graceful_shutdown=int(STOP_TIMEOUT_S) - 1,
            callback_notify=self._refresh_tls,
            timeout_notify=TLS_REFRESH_S,
        )
        config.load()
        config.ssl = tls.context if tls else None
        self._server = uvicorn.Server(config)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Return the server's URL; the port is the real one once ``start`` has returned."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self._port}"

    def start(self) -> None:
        """Listen and serve; raise ``HttpPortError`` or ``HttpAddressError``."""
        listener = self._bind()
        self._port = listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="http", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise HttpAddressError(f"no server at {self.url} within {START_TIMEOUT_S:.0f} s", "see the log")
            time.sleep(0.005)

    def stop(self) -> None:
        """Finish the requests in progress and stop. May be called more than once."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT_S)
            self._server.force_exit = True
            self._thread.join(1.0)
            self._thread = None

    def _serve(self, listener: Listener) -> None:
        with asyncio.Runner(loop_factory=lambda: ServerLoop(self._connections)) as runner:
            runner.run(self._server.serve([listener]))

    async def _refresh_tls(self) -> None:
        if self._tls:
            self._tls.refresh()

    def _bind(self) -> Listener:
        try:
            family, kind, proto, _, address = socket.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listener = Listener(family, kind, proto, self._is_trusted)
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(address)
                listener.listen(128)
            except OSError:
                listener.close()
                raise
        except OSError as error:
            raise _bind_error(self._host, self._port, error) from error
        return listener


def _bind_error(host: str, port: int, error: OSError) -> WatchwordError:
    if error.errno == errno.EADDRINUSE:
        hint = f"set another http.port in the config (0 takes any), or find what holds it: ss -ltnp sport = :{port}"
        return HttpPortError(f"port {port} on {host} is taken", hint)
    hint = "set http.host to an address of this machine and http.port to 0 or 1024–65535"
    return HttpAddressError(f"cannot listen on {host}:{port}: {error.strerror or error}", hint)
