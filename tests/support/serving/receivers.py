"""Receivers of alerts: real servers on the loopback interface that can stall, fail and die."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.clocks import wait_until


@dataclass
class Received:
    """One request of a webhook."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[str]:
        """Return the ids of the events of a webhook's message."""
        return [alert["event"]["id"] for alert in self.json["data"]["alerts"]]


@dataclass
class Receiver:
    """A web server that notes what it receives. ``mode``: what it does with a request.

    ok; a status like "503"; stall: read it and never answer; lost: take it and close without an answer; late: answer
    once ``release`` is called.
    """

    port: int = 0
    mode: str = "ok"
    got: list[Received] = field(default_factory=list)
    refused: list[Received] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    _server: ThreadingHTTPServer | None = None
    _released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def events(self) -> list[str]:
        return [identity for one in self.got for identity in one.events]

    def start(self) -> "Receiver":
        receiver = self

        class Request(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                with suppress(OSError):
                    receiver.answer(self)

            def do_PUT(self) -> None:
                self.do_POST()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

        self._released = threading.Event()
        self._server = Server(("127.0.0.1", self.port), Request)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        headers = {k.lower(): v for k, v in request.headers.items()}
        one = Received(request.path, headers, body, time.time())
        status = int(self.mode) if self.mode.isdigit() else 200
        (self.got if status < 300 else self.refused).append(one)
        if self.mode in ("stall", "late"):
            self._released.wait(30)
        if self.mode in ("stall", "lost"):
            request.close_connection = True
            return
        request.send_response(status)
        for name, value in self.headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", "2")
        request.end_headers()
        request.wfile.write(b"{}")

    def release(self) -> None:
        """Answer what waits for it."""
        self._released.set()

    def stop(self) -> None:
        """Die: connections are refused from now on."""
        self._released.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def wait(self, count: int, timeout_s: float = 30) -> list[Received]:
        """Wait for so many requests that were accepted."""
        wait_until(lambda: len(self.got) >= count, timeout_s)
        return self.got


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Yield a web server."""
    server = Receiver().start()
    try:
        yield server
    finally:
        server.stop()
