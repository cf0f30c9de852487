"""What the index stores: shards, about an hour of one camera each, or (part of) one file.

The features of a shard are the very numbers that the stream decided on: they are rounded before the decision.
"""

import json
from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass, replace
from typing import Any

from workers.types import Areas


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The file that was watched. ``file``: its path, of an upload below the folder of uploads; ``name``: its end."""

    file: str
    name: str


@dataclass(frozen=True, slots=True)
class TapeInfo:
    """What all items of a shard have in common.

    ``key``: ``SourceInfo.key``, of a file's content or of a live session; it goes into event ids. ``encoder``: id of
    the model, whose features cannot be compared with those of another. ``dims``: D and D', the widths of features of
    frames and of sentences. ``detects``, ``tags`` and ``transcribes``: whether somebody looked for objects, listened
    for sounds and for speech; where nobody did, nothing is known about them. ``zones``: parts of the frame that have
    features of their own. ``recorded``: Unix seconds when the stream began.
    """

    camera: str
    key: str
    live: bool
    encoder: str
    hop_s: float
    dims: tuple[int, int]
    has_video: bool
    has_audio: bool
    recorded: float
    width: int = 0
    height: int = 0
    duration_s: float | None = None
    keyframes: bool = False  # only the key frames of the video were sampled
    detects: bool = False
    tags: bool = False
    transcribes: bool = False
    zones: tuple[Areas, ...] = ()
    file: StoredFile | None = None


@dataclass(frozen=True, slots=True)
class ShardInfo:
    """One shard. ``number``: its place among those of its key, from 0; ``first``: number of its first item."""

    tape: TapeInfo
    number: int = 0
    first: int = 0

    @property
    def camera(self) -> str:
        """Return the camera."""
        return self.tape.camera

    def to_json(self) -> str:
        """Return the description as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def info_from_json(text: str) -> ShardInfo:
    """Return what ``ShardInfo.to_json`` wrote; raise ``ValueError``, ``TypeError`` or ``KeyError`` for other text."""
    document = json.loads(text)
    return ShardInfo(_tape(document["tape"]), int(document["number"]), int(document["first"]))


def _tape(document: Mapping[str, Any]) -> TapeInfo:
    zones = tuple(tuple(tuple((float(x), float(y)) for x, y in area) for area in areas) for areas in document["zones"])
    file = StoredFile(**document["file"]) if document["file"] else None
    width, sentence_width = document["dims"]
    return TapeInfo(**{**document, "zones": zones, "file": file, "dims": (int(width), int(sentence_width))})


@dataclass(frozen=True, slots=True)
class TapeBatch:
    """Some consecutive items of a stream, on their way to the disk.

    ``payload``: see ``records.part_to_bytes``. ``first``: number of the first item, of ``count``. ``start``, ``end``:
    the stream seconds that they cover. ``last``: the stream has ended.
    """

    info: TapeInfo
    payload: bytes
    first: int
    count: int
    start: float
    end: float
    last: bool = False


@dataclass(frozen=True, slots=True)
class IndexSnapshot:
    """Counters of what was written, by camera; ``lost``: items that were not, because the disk is full or too slow."""

    bytes: Mapping[str, int]
    items: Mapping[str, int]
    lost: Mapping[str, int]
    stored: int = 0  # bytes of the whole index on disk
    waiting: int = 0  # batches

    def only(self, cameras: Set[str]) -> "IndexSnapshot":
        """Return the snapshot without the counts of other cameras."""

        def seen(counts: Mapping[str, int]) -> dict[str, int]:
            """Return the counts of the cameras that are shown."""
            return {name: n for name, n in counts.items() if name in cameras}

        return replace(self, bytes=seen(self.bytes), items=seen(self.items), lost=seen(self.lost))
