"""Passes a response on to FFmpeg as it comes, without its framing; playlists are looked into (``plain_http``).

FFmpeg gets a head that is written here and a body that was decoded here, so that what it takes for a playlist has been
taken for one here as well.
"""

import io
import re
import select
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from gzip import GzipFile
from http.client import HTTPResponse
from itertools import chain
from typing import Any, cast

from workers.sources.plain_http import PLAYLIST, plain, plain_line

CHUNK_BYTES = 64 << 10
LINE_BYTES = 64 << 10
_OURS = {"connection", "transfer-encoding", "content-encoding", "set-cookie"}
_LENGTHS = {"content-length", "content-range", "accept-ranges"}
_ICY, _HTTP = b"ICY ", b"HTTP/1.0 "  # SHOUTcast servers have the former for the latter
_TAG = b"ID3"
_CONTROL = re.compile(r"[\0\r\n]")
_LINE = re.compile(rb"([^\r\n\0]*)([\r\n\0])")  # where FFmpeg ends a line


def begun(far: socket.socket, near: socket.socket) -> HTTPResponse:
    """Return what ``far`` answers, its head read; raise ``HTTPException`` for no HTTP, ``OSError`` at a break."""
    response = HTTPResponse(cast(socket.socket, _Answer(far, near)))
    response.begin()
    return response


def relay(response: HTTPResponse, near: socket.socket, secure: bool) -> None:
    """Send a response to ``near`` until either ends; ``secure``: it came by TLS.

    Raises ``HTTPException``, ``OSError``, ``EOFError``, ``ValueError`` or ``zlib.error`` when it breaks off.
    """
    near.settimeout(None)
    packed = response.headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip")
    body = GzipFile(fileobj=response) if packed else response
    chunked = response.chunked or packed  # the end is told, the length is not
    late = not chunked and any(name in response.headers for name in _LENGTHS)
    if not late:  # of a live stream, whose first picture may take a while
        near.sendall(_head(response, secure, chunked))
    first = body.read(len(PLAYLIST))
    playlist = first.startswith(PLAYLIST)
    if late:
        chunked = playlist  # what is changed has another length
        near.sendall(_head(response, secure, chunked))
    parts: Iterator[bytes] = chain([first], iter(partial(body.read1, CHUNK_BYTES), b""))
    if playlist:
        parts = _lines(parts, secure)
    elif first.startswith(_TAG):
        parts = _tagged(parts)
    for part in filter(None, parts):
        near.sendall(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
    if chunked:
        near.sendall(b"0\r\n\r\n")


def _head(response: HTTPResponse, secure: bool, chunked: bool) -> bytes:
    """Return a response's head; ``chunked``: how its body is sent, whose length is not known then."""
    lines = [f"HTTP/1.1 {response.status} {'OK' if response.status < 300 else 'no'}", "Connection: close"]
    for name, value in response.getheaders():
        if name.lower() in _OURS or (name.lower() in _LENGTHS and chunked) or _CONTROL.search(value):
            continue
        lines.append(f"{name}: {plain(value.strip(), secure) if name.lower() == 'location' else value}")
    lines += ["Transfer-Encoding: chunked"] if chunked else []
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _lines(parts: Iterable[bytes], secure: bool) -> Iterator[bytes]:
    """Yield a playlist's lines as FFmpeg may see them, as they come; raise ``ValueError`` for one without an end."""
    rest = b""
    for part in parts:
        rest += part
        end = max(rest.rfind(c) for c in (b"\r", b"\n", b"\0")) + 1
        yield _LINE.sub(lambda m: plain_line(m[1], secure) + m[2], rest[:end])
        rest = rest[end:]
        if len(rest) > LINE_BYTES:
            raise ValueError("no playlist has lines this long")
    yield plain_line(rest, secure)


def _tagged(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what begins with a tag; raise ``ValueError`` for a playlist behind it, which FFmpeg 8.0 finds there."""
    last = b""
    for part in parts:
        last = last[1 - len(PLAYLIST) :] + part
        if PLAYLIST in last:
            raise ValueError("a playlist behind a tag")
        yield part


class _Answer(io.RawIOBase):
    """What ``far`` sends, for as long as ``near`` listens."""

    def __init__(self, far: socket.socket, near: socket.socket) -> None:
        self._far, self._near, self._begun = far, near, False
        far.setblocking(False)  # TLS may have something to read and nothing to tell

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return it as the file that ``HTTPResponse`` wants of a socket."""
        return io.BufferedReader(self, CHUNK_BYTES)

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, into: Any, /) -> int:
        """Read some bytes, none at the end; raise ``ConnectionAbortedError`` when ``near`` hangs up."""
        while True:
            held = isinstance(self._far, ssl.SSLSocket) and self._far.pending()
            if not held and self._near in select.select([self._near, self._far], [], [])[0]:
                raise ConnectionAbortedError("nobody listens")
            with suppress(BlockingIOError, ssl.SSLWantReadError):
                return self._received(into)

    def _received(self, into: Any) -> int:
        if self._begun:
            return self._far.recv_into(into)
        part = self._far.recv(len(into) - len(_HTTP))
        part = _HTTP + part[len(_ICY) :] if part.startswith(_ICY) else part
        into[: len(part)], self._begun = part, True
        return len(part)
