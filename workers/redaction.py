"""Credentials are hidden by type: what prints a ``RedactedUrl`` cannot print a secret.

User info and the values of query parameters are replaced, for cameras carry passwords in both. Only ``reveal`` gives
the real thing, and only the code that opens the connection calls it.
"""

from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

MASK = "***"
SHORTEST = 3  # masking shorter texts would hide half of every line


class RedactedUrl:
    """A URL or path whose ``str``, ``repr`` and ``format`` show no credentials.

    ``hidden``: what else in it is secret, such as a key in the path that came from the environment.
    """

    __slots__ = ("_hidden", "_raw")

    def __init__(self, raw: str, hidden: Iterable[str] = ()) -> None:
        self._raw = raw
        self._hidden = tuple(sorted((x for x in hidden if len(x) >= SHORTEST and x in raw), key=len, reverse=True))

    def reveal(self) -> str:
        """Return the URL with its credentials, to open it."""
        return self._raw

    def secrets(self) -> tuple[str, ...]:
        """Return what must never be printed, raw and percent-decoded, longest first."""
        try:
            parts = urlsplit(self._raw)
            asked, password = parse_qsl(parts.query), parts.password or ""
        except ValueError:  # no URL; what is printed is the mask
            return self._hidden
        if "://" not in self._raw:
            return self._hidden
        found = {v for _, v in asked}
        info = parts.netloc.rpartition("@")[0]
        if info:
            found |= {info, info.partition(":")[2], password}
            found |= {quote(x, safe="") for x in list(found)}
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
        if "://" not in self._raw:
            return self._raw
        try:
            parts = urlsplit(self._raw)
            host = parts.netloc.rpartition("@")[2]
            netloc = f"{MASK}@{host}" if "@" in parts.netloc else host
            query = urlencode([(k, MASK) for k, _ in parse_qsl(parts.query, keep_blank_values=True)], safe="*")
            return urlunsplit((parts.scheme, netloc, parts.path, query, ""))
        except ValueError:
            return MASK

    def __repr__(self) -> str:
        return f"RedactedUrl({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RedactedUrl) and other._raw == self._raw

    def __hash__(self) -> int:
        return hash(self._raw)
