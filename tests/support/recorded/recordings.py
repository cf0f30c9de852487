"""An index of cameras that saw colours and heard sentences, written as a daemon writes it; profile ``colour``."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from alignment.types import Detections
from tests.support.recorded.index import NO_THUMBNAILS, with_thumbnails
from workers.encoders.colour import SIZE, ColourEncoder
from workers.index.packing import sizes
from workers.index.records import Part, part_to_bytes
from workers.index.tables import joined
from workers.index.types import ShardInfo, TapeInfo
from workers.index.writer import OpenShard, compact
from workers.items import MOST_OBJECTS, FrameAnswer, StreamItem, Transcript
from workers.types import Utterance

NOW = float(int(time.time()) - 100)  # what a log accepts now is of then
ENCODER = ColourEncoder()
SHADES = {"red": (220, 20, 20), "green": (20, 160, 30), "blue": (30, 40, 200), "grey": (128, 128, 128)}
LIVE = TapeInfo(
    "door", "session-1", True, ENCODER.info.id, 1.0, (11, 1024), has_video=True, has_audio=True, recorded=NOW
)


def write_shard(
    index: Path,
    tape: TapeInfo,
    items: Sequence[StreamItem],
    number: int = 0,
    full: bool = True,
    thumbnails: Mapping[float, bytes] = NO_THUMBNAILS,
) -> None:
    """Write a shard that begins at ``tape.recorded``, or with the first frame of a live stream.

    ``thumbnails``: by the time of their frame.
    """
    info = ShardInfo(tape, number)
    starts = [item.start_s for item in items if isinstance(item, FrameAnswer)]
    since = starts[0] if tape.live and starts else tape.recorded
    shard = OpenShard(index / tape.camera, info, since)
    shard.append(part_to_bytes(Part(0, joined([with_thumbnails(item, thumbnails) for item in items], sizes(tape)))))
    shard.sync()
    shard.close()
    if full:
        os.utime(shard.path, (tape.recorded + 60, tape.recorded + 60))
        compact(shard.path, closed=True)


def frame(colour: str) -> np.ndarray:
    """Return a frame that is mostly of one colour."""
    picture = np.full((SIZE, SIZE, 3), SHADES["grey"], np.uint8)
    picture[: SIZE * 3 // 4] = SHADES[colour]
    return picture


def seen(start: float, colours: Sequence[str], detections: Detections | None = None) -> FrameAnswer:
    """Return a frame a second, each mostly of one colour."""
    rows = ENCODER.encode_frames(np.stack([frame(colour) for colour in colours]))
    return FrameAnswer(0, start + np.arange(len(colours), dtype=np.float64), rows, detections)


def said(start: float, end: float, text: str) -> Transcript:
    """Return one sentence."""
    return Transcript(0, start, (Utterance(start, end, text, 0.9, "en"),), ENCODER.encode_sentences([text]))


def objects(frames: int, numbers: dict[int, int]) -> Detections:
    """Return detections of ``frames`` frames: in some, by number, one sure object of a class."""
    found = np.full((frames, MOST_OBJECTS, 8), -np.inf, np.float32)
    found[..., 6:] = 0
    for number, name in numbers.items():
        found[number, 0] = (name, 3.0, 0.1, 0.1, 0.5, 0.5, 0, 0)
    return found


def day(index: Path) -> None:
    """Write what the tests search: two cameras, two hours of one of them, and an upload."""
    door = ["grey"] * 40 + ["red"] * 8 + ["grey"] * 40
    write_shard(index, LIVE, [seen(NOW, door), said(NOW + 42, NOW + 45, "The parcel is at the neighbours.")])
    later = ["grey"] * 30 + ["blue"] * 6 + ["grey"] * 10 + ["red"] * 4 + ["grey"] * 20
    write_shard(index, LIVE, [seen(NOW + 3600, later)], 1)
    yard = replace(LIVE, camera="yard", key="session-2", detects=True)
    seen_there = objects(60, {20: 0, 21: 0, 22: 0, 50: 1})
    write_shard(index, yard, [seen(NOW, ["green"] * 18 + ["red"] * 6 + ["green"] * 36, seen_there)], full=False)
