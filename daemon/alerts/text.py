"""Text of messages. What others wrote is shown and never interpreted: transcripts, names of files, descriptions."""

import re
from datetime import datetime, tzinfo

from daemon.logs.escaping import printable

LONGEST = 300  # characters of one text of strangers
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~:&])")
_SPLIT = "\u200b"  # a space without width behind @: nobody is mentioned


def inert(text: str) -> str:
    """Return a text of strangers as one line that mentions nobody, cut where it is long."""
    line = printable(" ".join(text.split())).replace("@", f"@{_SPLIT}")
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def markdown(text: str) -> str:
    """Return plain text such that Markdown shows it as it is."""
    return _MARKUP.sub(r"\\\1", text)


def local_time(unix_s: float, zone: tzinfo | None) -> str:
    """Return a time as people read it, with the date: ``2 Jan 03:04:05``."""
    at = datetime.fromtimestamp(unix_s, zone)
    return f"{at.day} {at:%b %H:%M:%S}"


def span(seconds: float) -> str:
    """Return a length of time in words, rounded: ``40 s``, ``12 min``, ``3 h 5 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join(f"{n} {unit}" for n, unit in ((hours, "h"), (minutes, "min")) if n)
