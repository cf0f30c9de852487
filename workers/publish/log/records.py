"""One row of the event log: an event's revision, its place in the log, and a checksum.

SQLite checks the structure of its pages, not their content: the checksum finds a row whose content was changed on disk.
"""

import json
import zlib
from dataclasses import dataclass
from typing import Any

from workers.events.event import Event

COLUMNS = (
    "seq",
    "at",
    "id",
    "revision",
    "type",
    "camera",
    "event",
    "start_s",
    "end_s",
    "score",
    "live",
    "interrupted",
    "body",
    "checksum",
)

Row = tuple[Any, ...]  # the values of one row, or of some of its columns


@dataclass(frozen=True, slots=True)
class Record:
    """A revision in the log: its sequence number, and the Unix time when it was accepted."""

    seq: int
    at: float
    event: Event


def to_row(record: Record) -> Row:
    """Return the values of ``COLUMNS``."""
    event = record.event
    values = (
        *(record.seq, float(record.at), event.id, event.revision, event.type, event.camera, event.event),
        *(event.start, event.end, event.score, int(event.live), int(event.interrupted), event.to_json()),
    )
    return (*values, checksum(values))


def from_row(row: Row) -> Record | None:
    """Return the record of a row in the order of ``COLUMNS``, None for a damaged row."""
    try:
        seq, at, *_, body, _ = row
        return Record(seq, at, Event.from_json(body)) if is_whole(row) else None
    except (TypeError, ValueError):
        return None


def is_whole(row: Row) -> bool:
    """Return whether a row's checksum is right."""
    try:
        return bool(row[-1] == checksum(row[:-1]))
    except (AttributeError, TypeError, ValueError):  # a damaged value may have any type
        return False


def size_of(row: Row) -> int:
    """Return about how many bytes a row takes on disk."""
    return len(row[-2]) + 150


def checksum(values: Row) -> int:
    """Return the checksum of a row's values, of which the last is the body."""
    *head, body = values
    return zlib.crc32(body.encode(), zlib.crc32(json.dumps(head, allow_nan=False, ensure_ascii=False).encode()))
