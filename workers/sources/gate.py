"""The only way out for what is read over HTTP: a proxy of our own that reaches the camera's host and no other.

A playlist or a redirect can name any host, also one that only this machine can reach (a database on the loopback
interface, a cloud's metadata service). FFmpeg has no say in that, so it is given this proxy (``http_proxy``, which its
HLS reader hands on to every segment and its HTTP reader keeps through redirects), which compares the host with those
allowed before it connects. FFmpeg speaks plain HTTP only, whose addresses ``plain_http`` makes; TLS begins here.
"""

import os
import re
import socket
import ssl
import threading
import zlib
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.cookiejar import CookieJar
from urllib.parse import SplitResult, urlsplit
from urllib.request import Request, getproxies, proxy_bypass

import structlog

from workers.redaction import RedactedUrl
from workers.sources.plain_http import Origin, origin, plain
from workers.sources.relay import begun, relay

MAX_HEAD_BYTES = 64 << 10
CHUNK_BYTES = 64 << 10
CONNECT_S = 30.0  # FFmpeg's own limits are shorter, and end the connection
_PORTS = {"http": 80, "https": 443}
_TARGET = re.compile("http://([^/?#]*)(.*)")
_OURS = {"host", "cookie", "connection", "proxy-connection", "accept-encoding"}  # fields of a request
MAX_COOKIES = 100

log = structlog.get_logger(__name__)


class Gate:
    """A proxy on the loopback interface for one camera. ``denied`` are the hosts that were asked for in vain."""

    def __init__(self, camera: str, url: RedactedUrl, hosts: Sequence[str] = ()) -> None:
        self._camera = camera
        self.entry = plain(url.reveal())  # what FFmpeg is to open, by way of this proxy
        asked = urlsplit(url.reveal())
        self._own = asked.hostname or ""
        self._own_ports = {asked.port or _PORTS[asked.scheme.lower()], *_PORTS.values()}
        self._hosts = frozenset(host.lower() for host in hosts)
        if "no_proxy" in os.environ:  # FFmpeg would pass by this proxy for the hosts in it; it reads this spelling only
            os.environ["NO_PROXY"] = os.environ.pop("no_proxy")
        self._outer = getproxies().get("http")
        self._tls = _unverified()
        self.cookies = CookieJar()  # FFmpeg cannot tell whose they are when all comes from a proxy
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

    def connect(self, to: Origin) -> socket.socket:
        """Return a connection to ``to``, or to the proxy on the way; raise ``OSError`` where there is none."""
        outer = self.way(to.host)
        if outer is None:
            line = HTTPConnection(to.host, to.port, timeout=CONNECT_S)
        else:
            line = HTTPConnection(outer.hostname or "", outer.port or _PORTS["http"], timeout=CONNECT_S)
            if to.tls:
                line.set_tunnel(to.host, to.port)
        line.connect()
        return self._tls.wrap_socket(line.sock, server_hostname=to.host) if to.tls else line.sock

    def remember(self, response: HTTPResponse, asked: Request) -> None:
        """Keep the cookies of a response."""
        self.cookies.extract_cookies(response, asked)
        if len(self.cookies) > MAX_COOKIES:
            self.cookies.clear()

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
        with self._near, suppress(OSError, ValueError, EOFError, HTTPException, zlib.error):
            self._near.settimeout(CONNECT_S)
            line, *fields = self._head().decode("latin-1").split("\r\n")
            method, target, version = line.split(" ")
            parts = _TARGET.fullmatch(target)
            if parts is None:
                self._answer(400)
                return
            to = origin(parts[1])
            if not self._gate.admits(to.host, to.port):
                self._answer(403)
                return
            path = parts[2] if parts[2].startswith("/") else f"/{parts[2]}"
            if to.tls or self._gate.way(to.host) is None:
                target = path
            self._exchange(to, path, [f"{method} {target} {version}", *fields])

    def _head(self) -> bytes:
        head = b""
        while b"\r\n\r\n" not in head:
            more = self._near.recv(CHUNK_BYTES)
            if not more or len(head) > MAX_HEAD_BYTES:
                raise ValueError("no request")
            head += more
        return head.partition(b"\r\n\r\n")[0]

    def _answer(self, status: int) -> None:
        self._near.sendall(f"HTTP/1.1 {status} no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    def _exchange(self, to: Origin, path: str, head: Sequence[str]) -> None:
        asked = Request(f"{'https' if to.tls else 'http'}://{to.authority}{path}")
        self._gate.cookies.add_cookie_header(asked)
        try:
            far = self._gate.connect(to)
        except (OSError, HTTPException):
            self._answer(502)
            return
        with far:
            far.sendall(_written(head, to, asked.get_header("Cookie")))
            response = begun(far, self._near)
            self._gate.remember(response, asked)
            relay(response, self._near, to.tls)


def _written(head: Sequence[str], to: Origin, cookies: str | None) -> bytes:
    """Return the head of a request that asks for the connection to be closed after it, and for text as it is."""
    lines = [head[0], f"Host: {to.authority}", *(f for f in head[1:] if f.partition(":")[0].lower() not in _OURS)]
    lines += [f"Cookie: {cookies}"] if cookies else []
    return "\r\n".join([*lines, "Accept-Encoding: identity", "Connection: close", "", ""]).encode("latin-1")


def _unverified() -> ssl.SSLContext:
    """Return what FFmpeg's own TLS takes: any certificate, and the old versions and short keys of old cameras."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.options |= 0x4  # SSL_OP_LEGACY_SERVER_CONNECT, which has no name in Python 3.11
    return context
