"""Environment variables in values: ``{NAME}`` is replaced by the variable NAME; ``{{`` and ``}}`` are braces.

``${NAME}``, as shells and Compose write it, is the same. Placeholders of other systems are taken as they are, and told.

In the user info of a URL and in values of query parameters the variable is percent-encoded, so a password may contain
``@`` or ``/``. A variable in these places or in the path is a secret.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

_TOKEN = re.compile(r"\{\{|\}\}|\$?\{([A-Z_][A-Z0-9_]*)\}")
_BRACES = {"{{": "{", "}}": "}"}

# How other systems write a variable. A single `$word` may be part of a password, so its name is in capitals.
_FOREIGN = (
    ("$NAME", re.compile(r"\$[A-Z_][A-Z0-9_]{2,}")),
    ("$(NAME)", re.compile(r"\$\([A-Za-z_]\w*\)")),
    ("%NAME%", re.compile(r"%[A-Za-z_]\w*%(?![0-9A-Fa-f]{2})")),  # not `%3A%2F`, which is percent-encoding
    ("%(NAME)s", re.compile(r"%\([A-Za-z_]\w*\)s")),
    ("<name>", re.compile(r"<[^<>]+>")),
    ("{{ NAME }}", re.compile(r"\{\{\s[^{}]*\}\}|\{\{[A-Z_][A-Z0-9_]*\}\}")),
    ("{name}", re.compile(r"(?<!\{)\{(?![A-Z_][A-Z0-9_]*\})[^{}]+\}(?!\})")),
)


@dataclass(frozen=True, slots=True)
class Substituted:
    """A value with its placeholders replaced. ``secrets`` must not be printed; ``doubts`` are messages with hints."""

    text: str
    secrets: frozenset[str]
    missing: tuple[str, ...]
    doubts: tuple[tuple[str, str], ...] = ()


def substitute(template: str, env: Mapping[str, str]) -> Substituted:
    """Return the template with its placeholders replaced; ``missing`` lists variables that are not set."""
    url = _UrlTemplate(template) if "://" in template else None
    secrets: set[str] = set()
    missing: list[str] = []
    doubts = list(_foreign(template))

    def fill(match: re.Match[str]) -> str:
        """Return the value of one reference; note a variable that is not set."""
        name = match[1]
        if name is None:
            return _BRACES[match[0]]
        if name not in env:
            missing.append(name)
            return match[0]
        value = env[name]
        doubts.extend(_doubts(name, value))
        if url is None:
            if "@" in template:  # a URL that was mistyped: `rtsp:/user:{PASSWORD}@host` would be taken for a path
                secrets.add(value)
            return value
        written = url.encode(value, match.start())
        if not url.is_address(match.start()):
            secrets.update((value, written))
        return written

    return Substituted(_TOKEN.sub(fill, template), frozenset(secrets), tuple(missing), tuple(doubts))


def _foreign(template: str) -> Iterator[tuple[str, str]]:
    """Yield the forms of other systems in a value, without quoting it: it may be a password."""
    hint = "write {NAME}, in capitals; a password that only looks like this belongs into a variable"
    for form, pattern in _FOREIGN:
        if pattern.search(template):
            yield f"no environment variable is filled in for {form}: it is taken as it is", hint


def _doubts(name: str, value: str) -> Iterator[tuple[str, str]]:
    if not value:
        yield f"the environment variable {name} is empty", f"set it before the start: export {name}=…"
    elif value != value.strip() or (len(value) > 1 and value[0] == value[-1] and value[0] in "'\""):
        yield f"the environment variable {name} has spaces or quotes around its value", "set it without them"


class _UrlTemplate:
    """Positions of the parts of a URL with placeholders."""

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
        """Return whether the position is in the scheme, host or port, which are not secret."""
        return position < self._user or self._host <= position < self._path

    def encode(self, value: str, position: int) -> str:
        """Return the value, percent-encoded if the position needs it."""
        in_user_info = self._user <= position < self._host
        is_query_value = position > self._path and self._template[position - 1] == "="
        return quote(value, safe="") if in_user_info or is_query_value else value
