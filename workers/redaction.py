"""Redaction by type: printing a ``RedactedUrl`` cannot print a secret.

User info and the values of parameters are masked, because camera URLs carry passwords in both. Only ``reveal`` returns
the real URL, and only the code that opens the connection calls it.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote, unquote

MASK = "***"
SHORTEST = 3  # masking shorter texts would mask parts of unrelated words
ENCODE = (
    "in user, password and parameters write %23 for #, %2F for /, %3F for ?, %40 for @ and %25 for %; "
    "or put the value into an environment variable and write {NAME}, which is encoded"
)

_LOCAL = {"file", "webcam"}
_REMOTE = {"rtsp", "rtsps", "rtmp", "srt", "http", "https", "redis", "rediss"}  # also with slashes mistyped
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(/{0,2})", re.ASCII)
_NO_SCHEME = re.compile(r"[^/@:\s]+:[^/@\s]+@[^/@\s]+")  # user:password@host, which begins like no usual path
# Parameters within a path, as in `/user=admin&password=x` and `/user=admin_password=x_channel=1`.
_IN_PATH = re.compile(r"(?<![A-Za-z])([A-Za-z]+)=(.*?)(?=[&;/]|_[A-Za-z]+=|$)")


class _Parts(NamedTuple):
    """A URL, cut such that no part of a password is outside ``info``, even where it is not encoded."""

    scheme: str
    info: str | None
    host: str
    path: str
    query: str


def _split(raw: str) -> _Parts | None:
    """Return the parts of a URL; None of a path."""
    match = _SCHEME.match(raw)
    scheme, rest = (match[1].lower(), raw[match.end() :]) if match else ("", raw)
    if match is None or (match[2] != "//" and scheme not in _REMOTE):
        return _Parts("", *_info(raw), "", "") if _NO_SCHEME.match(raw) else None
    if scheme in _LOCAL:
        return None
    info, after = (None, rest) if _is_socket(scheme, rest) else _info(rest)
    address, _, query = after.partition("#")[0].partition("?")
    host, slash, path = address.partition("/")
    return _Parts(scheme, info, host, slash + path, query)


def _is_socket(scheme: str, rest: str) -> bool:
    return scheme == "unix" and rest.startswith("/")


def _info(rest: str) -> tuple[str | None, str]:
    """Return the user info and what follows it: it reaches to the last ``@``, for a password may hold the others."""
    info, at, after = rest.rpartition("@")
    return (info if at else None), after


def ambiguous(raw: str) -> str | None:
    """Return why it is not certain which part of a URL is the password, so that it must not be used; else None."""
    scheme, separator, rest = raw.partition("://")
    if not separator:
        return "a user before an address needs a scheme, as in rtsp://" if _NO_SCHEME.match(raw) else None
    if scheme.lower() in _LOCAL or _is_socket(scheme.lower(), rest):
        return None
    if "#" in rest:
        return "`#` ends a URL, what follows is not sent"
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    return (
        "an `@` stands behind the host, as if the password held `/` or `?`" if "@" in rest[len(authority) :] else None
    )


class RedactedUrl:
    """A URL or path whose ``str``, ``repr`` and ``format`` show no credentials.

    ``hidden``: further secrets in the URL, such as a key in the path that came from the environment.
    """

    __slots__ = ("_hidden", "_raw")

    def __init__(self, raw: str, hidden: Iterable[str] = ()) -> None:
        self._raw = raw
        self._hidden = tuple(sorted((x for x in hidden if len(x) >= SHORTEST and x in raw), key=len, reverse=True))

    def reveal(self) -> str:
        """Return the URL with its credentials, to open it."""
        return self._raw

    def parameters(self) -> tuple[tuple[str, str], ...]:
        """Return names and values, as written and percent-decoded, of the query and of pairs within the path."""
        parts = _split(self._raw)
        return tuple(_parameters(parts)) if parts is not None else ()

    def secrets(self) -> tuple[str, ...]:
        """Return what must never be printed, as written, percent-decoded and percent-encoded, longest first."""
        parts = _split(self._raw)
        found = {value for _, value in self.parameters()}
        if parts is not None and parts.info:
            password = parts.info.partition(":")[2]
            found |= {parts.info, password, *re.split("[/?#@]", password)}  # where a library would cut it
        found |= {unquote(x) for x in found}
        found |= {quote(x, safe="") for x in found}
        return tuple(sorted({x for x in found if len(x) >= SHORTEST} | {*self._hidden}, key=len, reverse=True))

    def scrub(self, text: str) -> str:
        """Return ``text`` (a native library's message, say) without this URL's credentials."""
        text = text.replace(self._raw, str(self))
        for secret in self.secrets():
            text = text.replace(secret, MASK)
        return text

    def __str__(self) -> str:
        text = self._shown()
        for secret in self._hidden:
            text = text.replace(secret, MASK)
        return text

    def _shown(self) -> str:
        parts = _split(self._raw)
        if parts is None:
            return self._raw
        scheme = f"{parts.scheme}://" if parts.scheme else ""
        host = f"{MASK}@{parts.host}" if parts.info is not None else parts.host
        path = _IN_PATH.sub(rf"\1={MASK}", parts.path)
        pairs = (pair.partition("=") for pair in parts.query.split("&") if pair)
        query = "&".join(f"{name}={MASK}" if equals else MASK for name, equals, _ in pairs)
        return f"{scheme}{host}{path}" + (f"?{query}" if query else "")

    def __repr__(self) -> str:
        return f"RedactedUrl({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RedactedUrl) and other._raw == self._raw

    def __hash__(self) -> int:
        return hash(self._raw)


def _parameters(parts: _Parts) -> Iterator[tuple[str, str]]:
    yield from _IN_PATH.findall(parts.path)
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=") if "=" in pair else ("", "", pair)
        yield from ((name, form) for form in (value, unquote(value.replace("+", " "))))
