"""Rewriting of addresses for FFmpeg: only plain HTTP; HTTPS is encoded as an impossible port.

FFmpeg's own HTTPS needs the protocol ``httpproxy``, by which a playlist could lead it to any host. So FFmpeg uses plain
HTTP, only to the proxy, and ``https://host:8443`` becomes ``http://host:108443``: a port above 65535 means that the
proxy must use TLS. It means nothing else, so a playlist may also contain it: the host is checked like any other.

Plain HTTP needs FFmpeg's protocol ``tcp``, which its HLS reader also opens by name (a variant's ``tcp://host:port``).
So addresses in playlists that are not relative, HTTP or HTTPS are made unusable.
"""

import re
from dataclasses import dataclass

TLS = 100_000  # added to the port
HTTPS_PORT = 443
PLAYLIST = b"#EXTM3U"  # how a playlist of HLS begins (RFC 8216, 4.3.1.1)
_AUTHORITY = re.compile(r"(.*@)?(\[[^\]@]+\]|[^\[\]:@]+)(?::(\d{0,6}))?")
_SCHEME = re.compile("[^:/?#]*:")
_PLACE = re.compile("//([^/?#]*)")
_QUOTED, _BARE = re.compile('"'), re.compile(r"[\s,]")


@dataclass(frozen=True, slots=True)
class Origin:
    """A server: ``host`` in lower case and without brackets."""

    host: str
    port: int
    tls: bool

    @property
    def authority(self) -> str:
        """Return the value of a request's ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (HTTPS_PORT if self.tls else 80) else f"{host}:{self.port}"


def origin(authority: str) -> Origin:
    """Return the server of a plain address's ``host:port``; raise ``ValueError`` if it is invalid."""
    parts = _AUTHORITY.fullmatch(authority)
    port = int(parts[3] or 80) if parts else 0
    tls = port > TLS
    port -= TLS if tls else 0
    if parts is None or not 0 < port < 1 << 16:
        raise ValueError("no host and port")
    return Origin(parts[2].strip("[]").lower(), port, tls)


def plain(address: str, secure: bool = False) -> str:
    """Return an address with ``http`` for ``https``; ``secure``: its base has TLS (for ``//host/path``).

    An address that is neither relative nor HTTP becomes ``refused:``, which no protocol opens.
    """
    found = _SCHEME.match(address)
    scheme = found[0].lower() if found else ""
    rest = address[len(scheme) :]
    if scheme == "http:" or (not scheme and not (secure and rest.startswith("//"))):
        return scheme + rest
    place = _PLACE.match(rest)
    parts = _AUTHORITY.fullmatch(place[1]) if place else None
    if scheme not in ("", "https:") or place is None or parts is None:
        return f"refused:{address}"
    return f"http://{parts[1] or ''}{parts[2]}:{TLS + int(parts[3] or HTTPS_PORT)}{rest[place.end() :]}"


def plain_line(line: bytes, secure: bool) -> bytes:
    """Return a playlist's line with plain addresses: the line is an address, or a tag with ``URI="..."``.

    Every ``URI=`` is rewritten, whatever is before it, so the result does not depend on how FFmpeg parses quotes.
    """
    text = line.decode("latin-1")
    if not text.startswith("#"):
        return plain(text, secure).encode("latin-1")
    before, *values = text.split("URI=")
    return "URI=".join([before, *(_plain_value(x, secure) for x in values)]).encode("latin-1")


def _plain_value(text: str, secure: bool) -> str:
    """Return the text after ``URI=`` with its address, quoted or not, made plain."""
    quote, end = ('"', _QUOTED) if text.startswith('"') else ("", _BARE)
    address = end.split(text[len(quote) :], maxsplit=1)[0]
    return quote + plain(address, secure) + text[len(quote + address) :]
