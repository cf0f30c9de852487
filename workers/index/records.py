"""The open shard: a file that only grows, record by record. A crash at any byte leaves all records before readable.

The file begins with ``MAGIC``; each record is its length, its CRC-32 and its payload. The first payload is the
``ShardInfo`` as JSON; the others are items as tables, and the number of the first.
"""

import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from workers.index.tables import COLUMNS, TABLES, Columns, check, counts

MAGIC = b"WWINDEX2"
RECORD = struct.Struct("<II")  # length and CRC-32 of the payload
PART = struct.Struct(f"<Q{len(TABLES)}I")  # number of the first item; rows of each table
LONGEST = 1 << 28  # bytes of a record; a longer length is damage


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive items as tables. ``first``: number of the first item of the stream."""

    first: int
    columns: Columns


@dataclass(frozen=True, slots=True)
class Record:
    """One whole record: its payload, and where it begins in the file."""

    offset: int
    payload: bytes

    @property
    def end(self) -> int:
        """Return where the next one begins."""
        return self.offset + RECORD.size + len(self.payload)


def record(payload: bytes) -> bytes:
    """Return a payload as a record."""
    return RECORD.pack(len(payload), crc32(payload)) + payload


def part_to_bytes(part: Part) -> bytes:
    """Return the payload of a part."""
    rows = counts(part.columns)
    head = PART.pack(part.first, *(rows[table] for table in TABLES))
    columns = (np.asarray(part.columns[name], column.dtype) for name, column in COLUMNS.items())
    return head + b"".join(column.tobytes() for column in columns)


def part_from_bytes(payload: bytes, sizes: Mapping[str, int]) -> Part:
    """Return the part of a payload, without a copy; raise ``ValueError`` if it is none."""
    try:
        first, *numbers = PART.unpack_from(payload)
    except struct.error as error:
        raise ValueError(str(error)) from None
    rows, at = dict(zip(TABLES, numbers, strict=True)), PART.size
    columns: dict[str, NDArray[Any]] = {}
    for name, column in COLUMNS.items():
        shape = column.shape(rows[column.table], sizes)
        size = int(np.prod(shape))
        columns[name] = np.frombuffer(payload, column.dtype, size, at).reshape(shape)
        at += columns[name].nbytes
    check(columns, sizes)
    return Part(first, columns)


def records(content: bytes) -> Iterator[Record]:
    """Yield the whole records of a file's content; a damaged one is passed over, an unfinished one ends it."""
    at = len(MAGIC)
    while at + RECORD.size <= len(content):
        length, checksum = RECORD.unpack_from(content, at)
        end = at + RECORD.size + length
        if length > LONGEST or end > len(content):
            return
        payload = content[at + RECORD.size : end]
        if crc32(payload) == checksum:
            yield Record(at, payload)
        at = end


def overwrite(path: Path, offset: int, payload: bytes, length: int) -> None:
    """Replace the payload of one record in place by a shorter one, durably; raise ``OSError``.

    After a crash meanwhile the record is damaged, and known to be.
    """
    padded = payload.ljust(length, b"\0")
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(descriptor, record(padded), offset)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
