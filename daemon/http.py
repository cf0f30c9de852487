"""The one port: health, readiness, metrics. Every request is checked, every answer has security headers."""

import errno
import hmac
import socket
import threading
import time
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alignment.errors import WatchwordError
from daemon.config.errors import UnusableSetting
from daemon.config.services import LOOPBACK
from daemon.health import HealthReport, health, ready
from daemon.logs import redact
from daemon.metrics import CONTENT_TYPE, render_metrics
from daemon.snapshots import DaemonSnapshot

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0

SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class HttpPortError(UnusableSetting):
    """Another program listens on the port already."""

    code = "http_port_taken"


class HttpAddressError(UnusableSetting):
    """The host is no address of this machine, or the port may not be used."""

    code = "http_address_invalid"


def build_app(get_snapshot: Callable[[], DaemonSnapshot], token: str | None) -> FastAPI:
    """Return the application. With a token every request must carry it; without, only loopback is served."""
    app = FastAPI(title="Watchword", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json")
    app.add_middleware(Guard, token=token)

    @app.get("/healthz", tags=["health"])
    def healthz() -> Response:
        """Answer 200 while everything gets on, else 503."""
        return _answer(health(get_snapshot(), time.time()))

    @app.get("/readyz", tags=["health"])
    def readyz() -> Response:
        """Answer 200 once models are loaded and events can be kept, else 503."""
        return _answer(ready(get_snapshot(), time.time()))

    @app.get("/metrics", tags=["health"])
    def metrics() -> Response:
        """Answer with Prometheus metrics."""
        return Response(render_metrics(get_snapshot()), media_type=CONTENT_TYPE)

    return app


def _answer(report: HealthReport) -> Response:
    return JSONResponse(redact(report.as_json()), status_code=200 if report.ok else 503)


class Guard:
    """Checks the token, or without one the Host header, and adds the security headers.

    Without a token only this machine can connect; but so could a web page that it shows, under a name that
    resolves to 127.0.0.1 (DNS rebinding). Such a page cannot choose the Host header.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token.encode() if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        refusal = self._refusal(Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, headers: Headers) -> Response | None:
        if self._token is None:
            if _host_name(headers.get("host", "")) in LOOPBACK:
                return None
            return JSONResponse({"error": "host_not_allowed"}, 421)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token):
            return None
        return JSONResponse({"error": "token_required"}, 401, {"www-authenticate": "Bearer"})


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


class HttpServer:
    """Serves an application from a thread of its own."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        self._host, self._port = host, port
        config = uvicorn.Config(
            app,
            log_config=None,  # its loggers are ours, see ``daemon.logs``
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=int(STOP_TIMEOUT_S) - 2,
        )
        self._server = uvicorn.Server(config)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it listens; the port is the real one once ``start`` has returned."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def start(self) -> None:
        """Listen and serve; raise ``HttpPortError`` or ``HttpAddressError``."""
        listener = self._bind()
        self._port = listener.getsockname()[1]
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="http", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise HttpAddressError(f"no server at {self.url} within {START_TIMEOUT_S:.0f} s", "see the log")
            time.sleep(0.005)

    def stop(self) -> None:
        """Finish what is being answered and stop. May be called more than once."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT_S)
            self._server.force_exit = True
            self._thread.join(1.0)
            self._thread = None

    def _bind(self) -> socket.socket:
        try:
            family, kind, proto, _, address = socket.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listener = socket.socket(family, kind, proto)
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
        hint = f"set another http.port in the config (0 takes any), or find its holder: ss -ltnp sport = :{port}"
        return HttpPortError(f"port {port} on {host} is taken", hint)
    hint = "set http.host to an address of this machine and http.port to 0 or 1024–65535"
    return HttpAddressError(f"cannot listen on {host}:{port}: {error.strerror or error}", hint)
