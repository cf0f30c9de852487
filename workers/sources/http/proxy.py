"""A local HTTP proxy that allows the camera's host and no other: all HTTP input goes through it.

A playlist or a redirect can name any host, including one that only this machine can reach (a database on the loopback
interface, a cloud's metadata service). FFmpeg cannot restrict hosts, so it uses this proxy (``http_proxy``, which its
HLS reader applies to every segment and its HTTP reader keeps through redirects); the proxy checks the host before it
connects. FFmpeg speaks plain HTTP to the proxy, with addresses from ``rewriting``; the proxy does TLS.
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
from workers.sources.http.response import begun, relay
from workers.sources.http.rewriting import Origin, origin, plain
from workers.sources.http.snapshots import SnapshotStream, is_snapshot
from workers.sources.http.variants import Qualities

MAX_HEAD_BYTES = 64 << 10
CHUNK_BYTES = 64 << 10
CONNECT_S = 30.0  # FFmpeg's own limits are shorter, and end the connection
_PORTS = {"http": 80, "https": 443}
_TARGET = re.compile("http://([^/?#]*)(.*)")
_OURS = {"host", "cookie", "connection", "proxy-connection", "accept-encoding"}  # fields of a request
MAX_COOKIES = 100

log = structlog.get_logger(__name__)


class HttpProxy:
    """A proxy on the loopback interface for one camera. ``denied``: hosts that were requested and refused.

    ``period_s``: how often an address that answers with a single picture is polled.
    """

    def __init__(
        self,
        camera: str,
        url: RedactedUrl,
        hosts: Sequence[str] = (),
        qualities: Qualities | None = None,
        period_s: float = 1.0,
    ) -> None:
        self._camera = camera
        self.period_s = period_s
        self.qualities = qualities or Qualities()
        self.entry = plain(url.reveal())  # the address for FFmpeg to open through this proxy
        asked = urlsplit(url.reveal())
        self._own = asked.hostname or ""
        self._own_ports = {asked.port or _PORTS[asked.scheme.lower()], *_PORTS.values()}
        self._hosts = frozenset(host.lower() for host in hosts)
        if "no_proxy" in os.environ:  # or FFmpeg would bypass this proxy for these hosts; it reads this spelling only
            os.environ["NO_PROXY"] = os.environ.pop("no_proxy")
        self._outer = getproxies().get("http")
        self._tls = _unverified()
        self.cookies = CookieJar()  # FFmpeg cannot assign cookies to hosts behind a proxy
        self.denied: set[str] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._listen, name=f"http-proxy-{camera}", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Return the proxy's URL."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def admits(self, host: str, port: int) -> bool:
        """Return whether a host is allowed; record and log one that is not."""
        if (host == self._own and port in self._own_ports) or host in self._hosts or f"{host}:{port}" in self._hosts:
            return True
        name = f"{host}:{port}"
        if name not in self.denied and len(self.denied) < 100:
            self.denied.add(name)
            log.warning("source_host_denied", camera=self._camera, host=name)
        return False

    def upstream(self, host: str) -> SplitResult | None:
        """Return the upstream proxy for a host (this machine's ``http_proxy``); None without one."""
        return urlsplit(self._outer) if self._outer and not proxy_bypass(host) else None

    def connect(self, to: Origin) -> socket.socket:
        """Return a connection to ``to``, or to its upstream proxy; raise ``OSError`` on failure."""
        outer = self.upstream(to.host)
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
        """Stop listening; open connections end with FFmpeg's."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # ends a blocking `accept`
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                threading.Thread(target=_Request(self, near).handle, name=self._thread.name, daemon=True).start()


class _Request:
    """One request. The connection closes after it, so that every request is checked."""

    def __init__(self, proxy: HttpProxy, near: socket.socket) -> None:
        self._proxy, self._near = proxy, near

    def handle(self) -> None:
        """Serve the request; close the connection."""
        with self._near, suppress(OSError, ValueError, EOFError, HTTPException, zlib.error):
            self._near.settimeout(CONNECT_S)
            line, *fields = self._head().decode("latin-1").split("\r\n")
            method, target, version = line.split(" ")
            parts = _TARGET.fullmatch(target)
            if parts is None:
                self._answer(400)
                return
            to = origin(parts[1])
            if not self._proxy.admits(to.host, to.port):
                self._answer(403)
                return
            path = parts[2] if parts[2].startswith("/") else f"/{parts[2]}"
            if to.tls or self._proxy.upstream(to.host) is None:
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
        try:
            far = self._proxy.connect(to)
        except (OSError, HTTPException):
            self._answer(502)
            return
        with far:
            response = self._response(far, to, path, head)
            if not is_snapshot(response):
                relay(response, self._near, to.tls, self._proxy.qualities)
                return
            pictures = SnapshotStream(self._near, self._proxy.period_s)
            pictures.send(response)
        while pictures.wait():
            with self._proxy.connect(to) as far:
                response = self._response(far, to, path, head)
                if not is_snapshot(response):
                    return  # FFmpeg asks again, and sees why
                pictures.send(response)

    def _response(self, far: socket.socket, to: Origin, path: str, head: Sequence[str]) -> HTTPResponse:
        asked = Request(f"{'https' if to.tls else 'http'}://{to.authority}{path}")
        self._proxy.cookies.add_cookie_header(asked)
        far.sendall(_written(head, to, asked.get_header("Cookie")))
        response = begun(far, self._near)
        self._proxy.remember(response, asked)
        return response


def _written(head: Sequence[str], to: Origin, cookies: str | None) -> bytes:
    """Return the head of the upstream request: close after the response, no content encoding."""
    lines = [head[0], f"Host: {to.authority}", *(f for f in head[1:] if f.partition(":")[0].lower() not in _OURS)]
    lines += [f"Cookie: {cookies}"] if cookies else []
    return "\r\n".join([*lines, "Accept-Encoding: identity", "Connection: close", "", ""]).encode("latin-1")


def _unverified() -> ssl.SSLContext:
    """Return a TLS context like FFmpeg's own: any certificate, and the old versions and short keys of old cameras."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.options |= 0x4  # SSL_OP_LEGACY_SERVER_CONNECT, which has no name in Python 3.11
    return context
