"""Streams of random items, of every kind, as the index stores them."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from alignment.types import SOUND_CLASSES
from workers.areas import standing_in
from workers.index.packing import packed
from workers.index.shard import Shard
from workers.index.thumbnails import picture_at
from workers.index.types import StoredFile, TapeInfo
from workers.items import (
    MOST_OBJECTS,
    AudioAnalysed,
    FrameAnswer,
    FramesDropped,
    SegmentEnd,
    StreamItem,
    Transcript,
    ZoneAnswer,
)
from workers.types import SoundTags, Utterance

DOOR = (((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),)
TAPE = TapeInfo(
    "cam",
    "0123456789abcdef",
    live=True,
    encoder="lite/x@1",
    hop_s=1.0,
    dims=(24, 16),
    has_video=True,
    has_audio=True,
    recorded=1_790_000_000.0,
    width=1280,
    height=720,
    detects=True,
    tags=True,
    transcribes=True,
    zones=(DOOR,),
)
NO_THUMBNAILS: Mapping[float, bytes] = MappingProxyType({})
UPLOAD = replace(TAPE, camera="uploads", live=False, duration_s=12.5, file=StoredFile("a/é.mp4", "é.mp4"))


def random_items(seed: int, count: int = 40, start: float = 1_790_000_000.0, tape: TapeInfo = TAPE) -> list[StreamItem]:
    """Return items of a tape in rising time, every kind among them."""
    rng = np.random.default_rng(seed)
    made = []
    t = start
    for _ in range(count):
        t += float(rng.uniform(0.2, 1.2))
        made.append(_item(rng, t, tape))
    return [*made, SegmentEnd(0)]


def _item(rng: np.random.Generator, t: float, tape: TapeInfo) -> StreamItem:
    kind = rng.integers(0, 8)
    if kind <= 3:
        return frames(rng, t, int(rng.integers(1, 4)), tape)
    if kind <= 5:
        return _audio(rng, t)
    if kind == 6:
        return Transcript(0, t - 3, *_said(rng, t, int(rng.integers(0, 3)), tape.dims[1]))
    return FramesDropped(0, t, bool(rng.integers(2)))


def frames(rng: np.random.Generator, t: float, n: int, tape: TapeInfo) -> FrameAnswer:
    """Return ``n`` frames of a tape from ``t`` on, now and then one without features."""
    features = rng.normal(size=(1 + len(tape.zones), n, tape.dims[0])).astype(np.float32)
    features[:, rng.random(n) < 0.1] = np.nan
    detections = _detections(rng, n) if tape.detects else None
    zones = tuple(
        ZoneAnswer(features[1 + z], None if detections is None else standing_in(detections, areas), areas)
        for z, areas in enumerate(tape.zones)
    )
    times = t + np.arange(n) / 7
    return FrameAnswer(0, times, features[0], detections, zones, bool(rng.integers(2)))


def _detections(rng: np.random.Generator, n: int) -> np.ndarray:
    found = np.full((n, MOST_OBJECTS, 8), -np.inf, np.float32)
    found[..., 6:] = 0
    for rows in found:
        m = int(rng.integers(0, 6))
        rows[:m, 0] = rng.integers(0, 30, m)
        rows[:m, 1] = -np.sort(-rng.normal(0, 3, m))
        rows[:m, 2:6] = np.sort(rng.random((m, 2, 2)), axis=1).reshape(m, 4)
        rows[:m, 6:] = rng.random((m, 2))
    return found


def _audio(rng: np.random.Generator, t: float) -> AudioAnalysed:
    n = int(rng.integers(0, 4))
    tags = None
    if n:
        begin = t + 0.48 * np.arange(n)
        p = (rng.random((n, SOUND_CLASSES)) ** 12).astype(np.float32)
        tags = SoundTags(0, np.column_stack([begin, begin + 0.48]), p)
    settled = float("inf") if rng.random() < 0.3 else t - float(rng.uniform(-1, 5))
    return AudioAnalysed(0, t, t + 1.0, settled, tags)


def _said(rng: np.random.Generator, t: float, n: int, width: int) -> tuple[tuple[Utterance, ...], np.ndarray]:
    words = ("Hello, is anybody there?", "Où est le colis ?", "有人在吗")
    said = tuple(
        Utterance(t - 2 + i, t - 1.3 + i, words[int(rng.integers(3))], float(rng.random()), "zh") for i in range(n)
    )
    return said, rng.normal(size=(n, width)).astype(np.float32)


def pictured(item: StreamItem) -> dict[str, np.ndarray]:
    """Return an item as columns; every third millisecond that a frame shows has a "picture", which is its time."""
    times = item.pts_s.tolist() if isinstance(item, FrameAnswer) else []
    return with_thumbnails(item, {t: str(_ms(t)).encode() for t in times if not _ms(t) % 3})


def with_thumbnails(item: StreamItem, thumbnails: Mapping[float, bytes]) -> dict[str, np.ndarray]:
    """Return an item as columns, with the pictures of frames at some times."""
    if not isinstance(item, FrameAnswer):
        return packed(item)
    pictures = [thumbnails.get(t, b"") for t in item.pts_s.tolist()]
    lengths = np.array([len(picture) for picture in pictures], "<u2")
    return packed(item) | {"picture_bytes": lengths, "picture": np.frombuffer(b"".join(pictures), "u1")}


def has_its_pictures(shard: Shard) -> bool:
    """Return whether each frame has its picture, as ``pictured`` gave it, and some have one."""
    found = [(t, picture_at(shard, t)) for t in shard.t.tolist()]
    wanted = [(t, None if _ms(t) % 3 else str(_ms(t)).encode()) for t in shard.t.tolist()]
    return found == wanted and any(picture for _, picture in found)


def _ms(t: float) -> int:
    return round(1000 * t)


def alike(some: StreamItem, other: StreamItem) -> bool:
    """Return whether two items are the same, to the last bit."""
    if type(some) is not type(other):
        return False
    return all(_same(getattr(some, name), getattr(other, name)) for name in some.__dataclass_fields__)


def _same(some: object, other: object) -> bool:
    if isinstance(some, np.ndarray) and isinstance(other, np.ndarray):
        return some.shape == other.shape and some.dtype == other.dtype and np.array_equal(some, other, equal_nan=True)
    if isinstance(some, ZoneAnswer | SoundTags):
        return type(some) is type(other) and all(
            _same(getattr(some, n), getattr(other, n)) for n in some.__dataclass_fields__
        )
    if isinstance(some, tuple) and isinstance(other, tuple) and some and isinstance(some[0], ZoneAnswer):
        return len(some) == len(other) and all(map(_same, some, other))
    return some == other
