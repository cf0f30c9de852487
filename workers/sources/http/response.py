"""Relay a response to FFmpeg as it arrives, without its framing, and rewrite playlists (``rewriting``).

FFmpeg gets a head written by this module and a body decoded by it, so that FFmpeg cannot recognise a playlist that
this module did not.
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

from workers.sources.http.rewriting import PLAYLIST, plain, plain_line
from workers.sources.http.variants import Qualities, is_master_line

CHUNK_BYTES = 64 << 10
LINE_BYTES = 64 << 10
MASTER_BYTES = 4 << 20
_OURS = {"connection", "transfer-encoding", "content-encoding", "set-cookie"}
_LENGTHS = {"content-length", "content-range", "accept-ranges"}
_ICY, _HTTP = b"ICY ", b"HTTP/1.0 "  # SHOUTcast servers send the former instead of the latter
_TAG = b"ID3"
_CONTROL = re.compile(r"[\0\r\n]")
_LINE = re.compile(rb"([^\r\n\0]*)([\r\n\0])")  # line ends as FFmpeg sees them


def begun(far: socket.socket, near: socket.socket) -> HTTPResponse:
    """Return the response of ``far`` after its head; raise ``HTTPException`` if invalid, ``OSError`` if broken."""
    response = HTTPResponse(cast(socket.socket, _Answer(far, near)))
    response.begin()
    return response


def relay(response: HTTPResponse, near: socket.socket, secure: bool, qualities: Qualities) -> None:
    """Send a response to ``near`` until either ends; ``secure``: it came over TLS; ``qualities``: see ``variants``.

    Raises ``HTTPException``, ``OSError``, ``EOFError``, ``ValueError`` or ``zlib.error`` if it is interrupted.
    """
    near.settimeout(None)
    packed = response.headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip")
    body = GzipFile(fileobj=response) if packed else response
    chunked = response.chunked or packed  # the end is marked, the length is unknown
    late = not chunked and any(name in response.headers for name in _LENGTHS)
    if not late:  # a live stream, whose first frame may take a while
        near.sendall(_head(response, secure, chunked))
    first = body.read(len(PLAYLIST))
    playlist = first.startswith(PLAYLIST)
    if late:
        chunked = playlist  # a rewritten body has another length
        near.sendall(_head(response, secure, chunked))
    parts: Iterator[bytes] = chain([first], iter(partial(body.read1, CHUNK_BYTES), b""))
    if playlist:
        parts = _playlist(parts, secure, qualities)
    elif first.startswith(_TAG):
        parts = _tagged(parts)
    for part in filter(None, parts):
        near.sendall(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
    if chunked:
        near.sendall(b"0\r\n\r\n")


def _head(response: HTTPResponse, secure: bool, chunked: bool) -> bytes:
    """Return a response's head; ``chunked``: its body is sent in chunks, with unknown length."""
    lines = [f"HTTP/1.1 {response.status} {'OK' if response.status < 300 else 'no'}", "Connection: close"]
    for name, value in response.getheaders():
        if name.lower() in _OURS or (name.lower() in _LENGTHS and chunked) or _CONTROL.search(value):
            continue
        lines.append(f"{name}: {plain(value.strip(), secure) if name.lower() == 'location' else value}")
    lines += ["Transfer-Encoding: chunked"] if chunked else []
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _playlist(parts: Iterable[bytes], secure: bool, qualities: Qualities) -> Iterator[bytes]:
    """Yield a playlist with plain addresses as it arrives, a master playlist at its end and with one variant.

    Raises ``ValueError`` for a line or a master playlist that is too long.
    """
    held: list[bytes] = []
    size = 0
    for lines in _lines(parts, secure):
        if held or any(map(is_master_line, lines)):
            held += lines
            size += sum(map(len, lines))
            if size > MASTER_BYTES:
                raise ValueError("no master playlist is this long")
        else:
            yield b"".join(lines)
    if held:
        yield b"".join(qualities.narrow(held))


def _lines(parts: Iterable[bytes], secure: bool) -> Iterator[list[bytes]]:
    """Yield a playlist's rewritten lines with their ends; raise ``ValueError`` for a line that is too long."""
    rest = b""
    for part in parts:
        rest += part
        end = max(rest.rfind(c) for c in (b"\r", b"\n", b"\0")) + 1
        yield [plain_line(m[1], secure) + m[2] for m in _LINE.finditer(rest[:end])]
        rest = rest[end:]
        if len(rest) > LINE_BYTES:
            raise ValueError("no playlist has lines this long")
    yield [plain_line(rest, secure)]


def _tagged(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a body that starts with a tag; raise ``ValueError`` for a playlist after it: FFmpeg 8.0 reads that."""
    last = b""
    for part in parts:
        last = last[1 - len(PLAYLIST) :] + part
        if PLAYLIST in last:
            raise ValueError("a playlist after a tag")
        yield part


class _Answer(io.RawIOBase):
    """The bytes that ``far`` sends, until ``near`` disconnects."""

    def __init__(self, far: socket.socket, near: socket.socket) -> None:
        self._far, self._near, self._begun = far, near, False
        far.setblocking(False)  # TLS may have data to read but no payload

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return a buffered file, as ``HTTPResponse`` requires of a socket."""
        return io.BufferedReader(self, CHUNK_BYTES)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, into: Any, /) -> int:
        """Read some bytes, none at the end; raise ``ConnectionAbortedError`` if ``near`` disconnects."""
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
