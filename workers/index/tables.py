"""Items of a stream as columns of numbers: tables of items, frames, objects, audio, sounds, and utterances.

The tables are what is on disk. Their rows are in the order of the items, so an item owns the next rows of the tables
that its kind uses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.types import SAMPLE_RATE_HZ

Columns = Mapping[str, NDArray[Any]]


class Kind(IntEnum):
    """Kinds of items. ``GAP`` stands for as many items as it has ``rows``, which are missing."""

    FRAMES = 1
    DROPPED = 2
    TRANSCRIPT = 3
    AUDIO = 4
    END = 5
    GAP = 6


class Flag(IntFlag):
    """Properties of an item."""

    NONE = 0
    BEHIND = 1  # of frames
    OVERLOAD = 2  # of dropped frames
    TAGGED = 4  # of audio: somebody listened for sounds and has finished some of it


@dataclass(frozen=True, slots=True)
class Column:
    """A column of one table. ``inner``: the shape of one row; D, S and Z stand for widths and the number of zones."""

    table: str
    dtype: str
    inner: tuple[str | int, ...] = ()

    def shape(self, rows: int, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Return the shape of the column."""
        return (rows, *(sizes[n] if isinstance(n, str) else n for n in self.inner))


COLUMNS: dict[str, Column] = {
    "kind": Column("item", "u1"),
    "flags": Column("item", "u1"),
    "segment": Column("item", "<i4"),
    "rows": Column("item", "<u4"),  # of frames, sounds or utterances
    "t": Column("frame", "<f8"),  # stream seconds
    "frames": Column("frame", "i1", ("D",)),
    "scale": Column("frame", "<f4"),  # a row of features is ``frames · scale``; NaN where the encoder gave none
    "objects": Column("frame", "u1"),  # number of objects
    "zone_frames": Column("frame", "i1", ("Z", "D")),
    "zone_scale": Column("frame", "<f4", ("Z",)),
    "picture_bytes": Column("frame", "<u2"),  # of ``picture``; 0: none is kept of this frame
    "picture": Column("picture", "u1"),  # JPEG
    "object_class": Column("object", "u1"),
    "object_logit": Column("object", "<f2"),
    "object_box": Column("object", "u1", (4,)),  # in 1/255 of the sides of the frame
    "object_colours": Column("object", "u1", (2,)),  # in 1/255
    "audio_start": Column("audio", "<f8"),
    "audio_length": Column("audio", "<u4"),  # in samples
    "audio_settled": Column("audio", "<i4"),  # samples after ``audio_start``; ``NEVER``: no more speech comes
    "sound_start": Column("sound", "<f8"),
    "sound_length": Column("sound", "<u2"),  # in samples
    "sound_classes": Column("sound", "<u2"),  # number of classes that are heard
    "heard_class": Column("heard", "<u2"),
    "heard_p": Column("heard", "u1"),  # in 1/255
    "begin": Column("begin", "<f8"),  # stream second of a transcript, and of dropped frames
    "said_start": Column("said", "<f8"),
    "said_end": Column("said", "<f8"),
    "said_confidence": Column("said", "<f8"),
    "said_text": Column("said", "<u4"),  # bytes of ``text``
    "said_language": Column("said", "u1"),  # bytes of ``text`` behind them
    "speech": Column("said", "i1", ("S",)),
    "speech_scale": Column("said", "<f4"),
    "text": Column("text", "u1"),  # UTF-8
}
TABLES = tuple(dict.fromkeys(column.table for column in COLUMNS.values()))


def empty(sizes: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """Return columns without rows."""
    return {name: np.zeros(c.shape(0, sizes), c.dtype) for name, c in COLUMNS.items()}


def joined(parts: Sequence[Columns], sizes: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """Return the rows of all parts, one part after the other; a column that a part lacks has no rows there."""
    return {
        name: np.concatenate([part[name] for part in parts if name in part])
        if any(name in part for part in parts)
        else np.zeros(column.shape(0, sizes), column.dtype)
        for name, column in COLUMNS.items()
    }


def counts(columns: Columns) -> dict[str, int]:
    """Return the number of rows of each table."""
    return {column.table: len(columns[name]) for name, column in COLUMNS.items()}


def check(columns: Columns, sizes: Mapping[str, int]) -> None:
    """Raise ``ValueError`` if columns have wrong shapes. Whether items own all rows shows when they are read."""
    rows = counts(columns)
    for name, column in COLUMNS.items():
        if columns[name].shape != column.shape(rows[column.table], sizes) or columns[name].dtype != column.dtype:
            raise ValueError(f"its column {name} has a wrong shape")


def spans(columns: Columns) -> dict[str, NDArray[np.int64]]:
    """Return of each table where the rows of each item begin, and where those of the last one end: i64[I + 1]."""
    kind, rows = columns["kind"], columns["rows"].astype(np.int64)
    own: dict[str, NDArray[np.int64]] = {
        "item": np.ones(len(kind), np.int64),
        "frame": np.where(kind == Kind.FRAMES, rows, 0),
        "audio": (kind == Kind.AUDIO).astype(np.int64),
        "sound": np.where(kind == Kind.AUDIO, rows, 0),
        "begin": ((kind == Kind.TRANSCRIPT) | (kind == Kind.DROPPED)).astype(np.int64),
        "said": np.where(kind == Kind.TRANSCRIPT, rows, 0),
    }
    found = {table: np.concatenate([[0], np.cumsum(n)]) for table, n in own.items()}
    inner = {
        "object": ("frame", columns["objects"].astype(np.int64)),
        "picture": ("frame", columns["picture_bytes"].astype(np.int64)),
        "heard": ("sound", columns["sound_classes"].astype(np.int64)),
        "text": ("said", columns["said_text"].astype(np.int64) + columns["said_language"]),
    }
    for table, (outer, n) in inner.items():
        if found[outer][-1] != len(n):
            raise ValueError(f"its items do not fit to its table of {outer}s")
        found[table] = np.concatenate([[0], np.cumsum(n)])[found[outer]]
    return found


def item_spans(columns: Columns) -> NDArray[np.float64]:
    """Return f64[I, 2]: the first and the last stream second of each item; infinite where it shows nothing."""
    out = np.tile([np.inf, -np.inf], (len(columns["kind"]), 1))
    places = spans(columns)
    end = columns["audio_start"] + columns["audio_length"] / SAMPLE_RATE_HZ
    times = {"frame": ("t", columns["t"]), "audio": ("audio_start", end), "said": ("said_start", columns["said_end"])}
    for table, (start, ends) in (times | {"begin": ("begin", columns["begin"])}).items():
        item = np.repeat(np.arange(len(out)), np.diff(places[table]))
        np.minimum.at(out[:, 0], item, columns[start])
        np.maximum.at(out[:, 1], item, ends)
    return out


def missing(columns: Columns) -> int:
    """Return how many items are missing, in the gaps between others."""
    return int(columns["rows"][columns["kind"] == Kind.GAP].sum())


def item_count(columns: Columns) -> int:
    """Return the number of items, with the missing ones."""
    return int((columns["kind"] != Kind.GAP).sum()) + missing(columns)


def gap(count: int) -> Columns:
    """Return a gap of so many items."""
    return head(Kind.GAP, rows=count)


def head(kind: Kind, segment: int = 0, rows: int = 0, flags: Flag = Flag.NONE) -> dict[str, NDArray[Any]]:
    """Return the row of an item in the table of items."""
    return {
        "kind": np.array([kind], "u1"),
        "flags": np.array([flags], "u1"),
        "segment": np.array([segment], "<i4"),
        "rows": np.array([rows], "<u4"),
    }


def selected(columns: Columns, kept: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """Return the columns without the items that are not ``kept`` bool[I]; gaps take their place, as many."""
    found = spans(columns)
    keeps = {table: np.repeat(kept, np.diff(places)) for table, places in found.items()}
    chosen = {name: columns[name][keeps[c.table]] for name, c in COLUMNS.items() if c.table != "item"}
    gone = np.where(columns["kind"] == Kind.GAP, columns["rows"], 1)
    return chosen | {
        "kind": np.where(kept, columns["kind"], Kind.GAP).astype("u1"),
        "flags": np.where(kept, columns["flags"], 0).astype("u1"),
        "segment": np.asarray(columns["segment"]),
        "rows": np.where(kept, columns["rows"], gone).astype("<u4"),
    }
