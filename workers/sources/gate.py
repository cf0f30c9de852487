"""The only way out for what is read over HTTP: a proxy of our own that reaches the camera's host and no other.

A playlist or a redirect can name any host, also one that only this machine can reach (a database on the loopback
interface, a cloud's metadata service). FFmpeg has no say in that, so it is given this proxy (``http_proxy``, which its
HLS reader hands on to every segment and its HTTP reader keeps through redirects), which compares the host with those
allowed before it connects. HTTPS passes through as it is, by CONNECT.
"""

import os
import select
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

import structlog

from workers.redaction import RedactedUrl

MAX_HEAD_BYTES = 64 << 10
CHUNK_BYTES = 64 << 10
CONNECT_S = 30.0  # FFmpeg's own limits are shorter, and end the connection
_PORTS = {"http": 80, "https": 443}

log = structlog.get_logger(__name__)


class Gate:
    """A proxy on the loopback interface for one camera. ``denied`` are the hosts that were asked for in vain."""

    def __init__(self, camera: str, url: RedactedUrl, hosts: Sequence[str] = ()) -> None:
        self._camera = camera
        asked = urlsplit(url.reveal())
        self._own = asked.hostname or ""
        self._own_ports = {asked.port or _PORTS[asked.scheme.lower()], *_PORTS.values()}
        self._hosts = frozenset(host.lower() for host in hosts)
        self._outer = getproxies().get("http")
        os.environ.pop("no_proxy", None)  # FFmpeg would pass by this proxy for the hosts in it
        self.denied: set[str] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._listen, name=f"gate-{camera}", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Return the proxy's address."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def admits(self, host: str, port: int) -> bool:
        """Tell whether a host may be reached; one that may not is remembered."""
        if (host == self._own and port in self._own_ports) or host in self._hosts or f"{host}:{port}" in self._hosts:
            return True
        name = f"{host}:{port}"
        if name not in self.denied and len(self.denied) < 100:
            self.denied.add(name)
            log.warning("source_points_elsewhere", camera=self._camera, host=name)
        return False

    def way(self, host: str) -> SplitResult | None:
        """Return the proxy that this machine must use to reach a host (``http_proxy``), None where there is none."""
        return urlsplit(self._outer) if self._outer and not proxy_bypass(host) else None

    def close(self) -> None:
        """Stop listening; connections end with the reader's."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in `accept`
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                threading.Thread(target=_Request(self, near).handle, name=self._thread.name, daemon=True).start()


class _Request:
    """One request: FFmpeg is made to close after it, so that the next one is looked at as well."""

    def __init__(self, gate: Gate, near: socket.socket) -> None:
        self._gate, self._near = gate, near

    def handle(self) -> None:
        """Answer it; the connection is closed then."""
        with self._near, suppress(OSError, ValueError):
            self._near.settimeout(CONNECT_S)
            head, _, rest = self._head().partition(b"\r\n\r\n")
            line, *fields = head.decode("latin-1").split("\r\n")
            method, target, version = line.split(" ")
            place = urlsplit(f"//{target}" if method == "CONNECT" else target)
            host, port = place.hostname or "", place.port or _PORTS["http"]
            if method != "CONNECT" and place.scheme != "http":
                self._answer(400)
            elif not self._gate.admits(host, port):
                self._answer(403)
            elif (outer := self._gate.way(host)) is not None:
                begin = _written(f"{method} {target} {version}", fields)
                self._exchange(outer.hostname or "", outer.port or _PORTS["http"], begin + rest)
            elif method == "CONNECT":
                self._exchange(host, port, rest, confirm=True)
            else:
                path = place._replace(scheme="", netloc="").geturl() or "/"
                self._exchange(host, port, _written(f"{method} {path} {version}", fields) + rest)

    def _head(self) -> bytes:
        head = b""
        while b"\r\n\r\n" not in head:
            more = self._near.recv(CHUNK_BYTES)
            if not more or len(head) > MAX_HEAD_BYTES:
                raise ValueError("no request")
            head += more
        return head

    def _answer(self, status: int) -> None:
        self._near.sendall(f"HTTP/1.1 {status} no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    def _exchange(self, host: str, port: int, begin: bytes, confirm: bool = False) -> None:
        """Connect, send what begins the exchange, and let it run; ``confirm``: tell FFmpeg that its tunnel stands."""
        try:
            far = socket.create_connection((host, port), CONNECT_S)
        except OSError:
            self._answer(502)
            return
        with far:
            if confirm:
                self._near.sendall(b"HTTP/1.1 200 connected\r\n\r\n")
            far.sendall(begin)
            self._pump(far)

    def _pump(self, far: socket.socket) -> None:
        """Copy both ways until one side ends."""
        for end in (self._near, far):
            end.settimeout(None)
        other = {self._near: far, far: self._near}
        while True:
            for end in select.select([self._near, far], [], [])[0]:
                data = end.recv(CHUNK_BYTES)
                if not data:
                    return
                other[end].sendall(data)


def _written(line: str, fields: Sequence[str]) -> bytes:
    """Return the head of a request that asks for the connection to be closed after it."""
    keep = [f for f in fields if f.partition(":")[0].lower() not in ("connection", "proxy-connection")]
    return "\r\n".join([line, *keep, "Connection: close", "", ""]).encode("latin-1")
