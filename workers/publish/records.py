"""One line of the spool: ``crc32 {"seq": …, "at": …, "event": {…}}``. Damage shows, and costs single events.

JSON holds no raw line break: a line that was cut or overwritten ends at the next one, and the rest is read.
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import BinaryIO

from workers.errors import SpoolError
from workers.types import Event

MAX_LINE = 64 << 20
_FIELDS = tuple(field.name for field in fields(Event))  # ``asdict`` would copy the body, ten times the work


@dataclass(frozen=True, slots=True)
class Record:
    """An event that waits: its place in the queue and the Unix time when it was accepted."""

    seq: int
    at: float
    event: Event


def encode(record: Record) -> bytes:
    """Return the line of a record; raise ``SpoolError`` for an event that JSON cannot hold."""
    document = {"seq": record.seq, "at": record.at, "event": {f: getattr(record.event, f) for f in _FIELDS}}
    try:
        payload = json.dumps(document, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError) as error:
        name = f"{record.event.camera}/{record.event.event} revision {record.event.revision}"
        hint = "its values must be finite numbers, strings, lists and objects"
        raise SpoolError(f"event {name} cannot be written as JSON: {error}", hint) from error
    return b"%08x %s\n" % (zlib.crc32(payload), payload)


def decode(line: bytes) -> Record | None:
    """Return the record of a line, None for a damaged one; raise ``SpoolError`` for another version's."""
    if len(line) < 10 or not line.endswith(b"\n"):
        return None
    payload = line[9:-1]
    if line[:9] != b"%08x " % zlib.crc32(payload):
        return None
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    try:
        seq, at = document["seq"], document["at"]
        if type(seq) is not int or not isinstance(at, int | float):
            raise TypeError("seq or at is no number")
        return Record(seq, at, Event(**document["event"]))
    except (KeyError, TypeError) as error:
        hint = "let the version that wrote it publish what waits, or move the spool folder away"
        raise SpoolError(f"the spool was written by another version: {error}", hint) from error


def scan(file: BinaryIO) -> Iterator[tuple[int, int, Record | None]]:
    """Yield offset, size and record (None: damaged) of every line of a segment, in order."""
    offset = 0
    while line := file.readline(MAX_LINE):
        yield offset, len(line), decode(line)
        offset += len(line)
