"""Text of strangers for people: a terminal shows it and does not obey it."""

import json
import unicodedata

_JOINERS = "\u200c\u200d"  # which Persian and emoji need


def printable(text: str, keep: str = "") -> str:
    """Return text with control characters, line breaks, marks of direction and halves of characters as JSON's escapes.

    Names of files are bytes to Linux, and whoever uploads one chooses them. ``keep`` names characters to leave.
    """
    if text.isprintable():
        return text
    return "".join(c if c in keep or _is_harmless(c) else json.dumps(c)[1:-1] for c in text)


def _is_harmless(c: str) -> bool:
    return c.isprintable() or c in _JOINERS or unicodedata.category(c) == "Zs"  # other spaces, as in Chinese names
