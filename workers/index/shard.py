"""One shard as it is read: its columns, its utterances, and the items that the stream decided on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from alignment.types import F32, F64
from workers.errors import IndexDamaged
from workers.index import rounding
from workers.index.packing import sizes, unpacked, utterances
from workers.index.records import MAGIC, Part, part_from_bytes, records
from workers.index.shard_file import open_shard
from workers.index.tables import Columns, Kind, gap, item_count, joined, missing
from workers.index.types import ShardInfo, info_from_json
from workers.items import StreamItem
from workers.types import Utterance

I8 = NDArray[np.int8]
I32 = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects of a shard, one row each; ``frame``: the row of its frame. See ``alignment.types.Detections``."""

    frame: I32
    classes: NDArray[np.uint8]
    logits: NDArray[np.float16]
    boxes: NDArray[np.uint8]  # [n, 4] left, top, right, bottom, in 1/255
    colours: NDArray[np.uint8]  # [n, 2] shares of ``DETECTED_COLOURS``, in 1/255


@dataclass(frozen=True, slots=True)
class Sounds:
    """What was heard in a shard: a row for each class of sound in each half second. Start and end in stream seconds."""

    start: F64
    end: F64
    classes: NDArray[np.uint16]
    p: F32


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)  # the same one is the same object
class Shard:
    """A shard, open or full; the arrays of a full one are memory-mapped and read-only.

    ``closed``: it ended as it was meant to. Otherwise it is still being written, or a crash ended it: then the last
    seconds before the crash are missing. ``torn``: bytes of an unfinished record that the crash left.
    """

    path: Path
    info: ShardInfo
    columns: Columns
    closed: bool
    torn: int = 0

    @property
    def frames(self) -> I8:
        """Return i8[N, D]: features of frames; a row times its ``scale`` is the feature."""
        return self.columns["frames"]

    @property
    def scale(self) -> F32:
        """Return f32[N]; NaN where the encoder gave no feature."""
        return self.columns["scale"]

    @property
    def t(self) -> F64:
        """Return f64[N]: the time of each frame, stream seconds."""
        return self.columns["t"]

    @property
    def segment(self) -> I32:
        """Return i32[N]: the segment of each frame."""
        kind, rows = self.columns["kind"], self.columns["rows"]
        framed = kind == Kind.FRAMES
        return np.repeat(self.columns["segment"][framed], rows[framed])

    @property
    def speech(self) -> I8:
        """Return i8[S, D']: features of utterances; a row times its ``speech_scale`` is the feature."""
        return self.columns["speech"]

    @property
    def speech_scale(self) -> F32:
        """Return f32[S]."""
        return self.columns["speech_scale"]

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """Return the S utterances."""
        return tuple(utterances(self.columns, slice(None), slice(None)))

    @property
    def objects(self) -> Objects:
        """Return the objects; there are none where nobody looked for them (``info.tape.detects``)."""
        c = self.columns
        frame = np.repeat(np.arange(len(c["objects"]), dtype=np.int32), c["objects"])
        return Objects(frame, c["object_class"], c["object_logit"], c["object_box"], c["object_colours"])

    @property
    def sounds(self) -> Sounds:
        """Return what was heard; nothing where nobody listened for sounds (``info.tape.tags``)."""
        c = self.columns
        ends = rounding.ends(c["sound_start"], c["sound_length"])
        start, end = (np.repeat(x, c["sound_classes"]) for x in (c["sound_start"], ends))
        return Sounds(start, end, c["heard_class"], np.asarray(c["heard_p"] / np.float32(255), np.float32))

    @property
    def missing(self) -> int:
        """Return how many items between others are missing: they were dropped, damaged or forgotten."""
        return missing(self.columns)

    @property
    def count(self) -> int:
        """Return the number of items, with the missing ones; the next shard of the stream begins behind them."""
        return item_count(self.columns)

    @property
    def start(self) -> float:
        """Return the stream second at which the first frame or audio begins; infinity without any."""
        return self._extent[0]

    @property
    def end(self) -> float:
        """Return the stream second at which the last frame or audio ends; minus infinity without any."""
        return self._extent[1]

    @property
    def _extent(self) -> tuple[float, float]:
        if self not in _EXTENTS:
            _EXTENTS[self] = extent(self.columns)
        return _EXTENTS[self]

    def items(self, first: int = 0) -> Iterator[StreamItem]:
        """Yield what the stream decided on, in its order, from item ``first`` of this shard on.

        Raise ``IndexDamaged`` if its tables contradict each other.
        """
        try:
            yield from unpacked(self.columns, self.info.tape, first)
        except (ValueError, IndexError) as error:
            raise IndexDamaged(f"{self.path} is damaged: {error}") from error


_EXTENTS: "WeakKeyDictionary[Shard, tuple[float, float]]" = WeakKeyDictionary()  # a search asks a thousand shards


def extent(columns: Columns) -> tuple[float, float]:
    """Return the first and the last stream second of frames, audio and words; infinities where there are none."""
    audio_end = rounding.ends(columns["audio_start"], columns["audio_length"])
    times = [columns["t"], columns["begin"], columns["audio_start"], audio_end, columns["said_end"]]
    return (
        min((float(t.min()) for t in times if len(t)), default=np.inf),
        max((float(t.max()) for t in times if len(t)), default=-np.inf),
    )


def read_full(path: Path) -> Shard:
    """Map a full shard; raise ``FileNotFoundError`` if it is gone, ``IndexDamaged`` if it is none."""
    info, columns, metadata = open_shard(path)
    return Shard(path, info, columns, metadata.get("closed") == "true", int(metadata.get("torn", "0")))


def read_open(path: Path) -> Shard:
    """Read an open shard up to its last whole record; raise ``FileNotFoundError``, or ``IndexDamaged`` without a head.

    Damaged records, and items that never came, are gaps.
    """
    content = path.read_bytes()
    found = [*records(content)]
    if not found or found[0].offset != len(MAGIC) or not content.startswith(MAGIC):
        raise IndexDamaged(f"{path} is not a shard of the index, or is damaged: it has no head")
    head, *rest = found
    try:
        info = info_from_json(head.payload.decode())
        widths = sizes(info.tape)
        parts = [part_from_bytes(record.payload, widths) for record in rest]
    except (ValueError, KeyError, TypeError) as error:
        raise IndexDamaged(f"{path} is not a shard of the index, or is damaged: {error}") from error
    return Shard(path, info, joined(with_gaps(parts, info.first), widths), False, len(content) - found[-1].end)


def with_gaps(parts: Sequence[Part], first: int) -> list[Columns]:
    """Return the columns of parts, and between them a gap for the items that are missing. ``first``: number of item."""
    found: list[Columns] = []
    for part in parts:
        if part.first > first:
            found.append(gap(part.first - first))
        found.append(part.columns)
        first = part.first + item_count(part.columns)
    return found
