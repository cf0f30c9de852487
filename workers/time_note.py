"""The note in a picture or clip of a live stream that says which time it shows, by which an erasure finds it."""

import re

NOTE_BYTES = 1 << 20  # of a file, at most so far from its beginning

_NOTE = re.compile(rb"watchword (-?\d{1,12}\.\d{3}) (-?\d{1,12}\.\d{3})")


def time_note(start: float, end: float) -> str:
    """Return the note of what is shown from ``start`` to ``end``, Unix seconds."""
    return f"watchword {start:.3f} {end:.3f}"


def read_note(content: bytes) -> tuple[float, float] | None:
    """Return start and end, Unix seconds, from the first bytes of a file; None where there is no note."""
    found = _NOTE.search(content)
    return (float(found[1]), float(found[2])) if found else None
