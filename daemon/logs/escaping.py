"""Escape untrusted text, so that a terminal shows it and does not interpret it."""

import json
import unicodedata

_JOINERS = "\u200c\u200d"  # needed by Persian and emoji


def printable(text: str, keep: str = "") -> str:
    """Return ``text`` with control characters, line breaks, direction marks and lone surrogates as JSON escapes.

    File names on Linux are arbitrary bytes, chosen by whoever uploads the file. ``keep``: characters not to escape.
    """
    if text.isprintable():
        return text
    return "".join(c if c in keep or _is_harmless(c) else json.dumps(c)[1:-1] for c in text)


def _is_harmless(c: str) -> bool:
    return c.isprintable() or c in _JOINERS or unicodedata.category(c) == "Zs"  # other spaces, as in Chinese names
