"""``{NAME}`` in a value becomes the environment variable NAME; ``{{`` and ``}}`` are braces.

Inside a URL a value is percent-encoded where it must be: in the user info (a password with ``@`` or ``/``
works as it is) and as a query parameter's value. What lands there, or in the path, is a secret.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

_TOKEN = re.compile(r"\{\{|\}\}|\{([A-Z_][A-Z0-9_]*)\}")
_BRACES = {"{{": "{", "}}": "}"}


@dataclass(frozen=True, slots=True)
class Substituted:
    """A value with its placeholders filled in. ``secrets`` are those that must not be printed."""

    text: str
    secrets: frozenset[str]
    missing: tuple[str, ...]


def substitute(template: str, env: Mapping[str, str]) -> Substituted:
    """Fill in every placeholder; those without a variable are named in ``missing`` and left as they are."""
    url = _UrlTemplate(template) if "://" in template else None
    secrets: set[str] = set()
    missing: list[str] = []

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return _BRACES[match[0]]
        if name not in env:
            missing.append(name)
            return match[0]
        value = env[name]
        if url is None:
            if "@" in template:  # a URL that was mistyped: `rtsp:/user:{PASSWORD}@host` would be taken for a path
                secrets.add(value)
            return value
        written = url.encode(value, match.start())
        if not url.is_address(match.start()):
            secrets.update((value, written))
        return written

    return Substituted(_TOKEN.sub(fill, template), frozenset(secrets), tuple(missing))


class _UrlTemplate:
    """Where the parts of a URL with placeholders lie."""

    def __init__(self, template: str) -> None:
        self._template = template
        self._host = template.index("://") + 3
        # A placeholder holds none of these characters, so the first one ends the host.
        ends = [i for c in "/?#" if (i := template.find(c, self._host)) >= 0]
        self._path = min(ends, default=len(template))
        at = template.rfind("@", self._host, self._path)
        self._user = self._host
        if at >= 0:
            self._host = at + 1

    def is_address(self, position: int) -> bool:
        """Return whether the position lies in the scheme, host or port, which are no secrets."""
        return position < self._user or self._host <= position < self._path

    def encode(self, value: str, position: int) -> str:
        """Return the value as it must be written at the position."""
        in_user_info = self._user <= position < self._host
        is_query_value = position > self._path and self._template[position - 1] == "="
        return quote(value, safe="") if in_user_info or is_query_value else value
