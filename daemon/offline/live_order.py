"""A file in the order of a live stream: frame by frame, with the audio that has been heard by then.

A file yields batches of frames, each with its audio behind it, so a stream decides once per batch, up to 16 s late.
What is decided is the same; when it is decided is that of a live camera only in this order.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workers.sources.base import Source, WithoutClips
from workers.types import AudioChunk, FrameBatch, SourceInfo, SourceItem, SourceSnapshot


@dataclass(frozen=True, slots=True)
class LiveOrder(WithoutClips):
    """A ``Source`` that yields the items of another one in order of time, one frame at a time."""

    source: Source

    def open(self) -> SourceInfo:
        """Open and probe the input."""
        return self.source.open()

    def items(self) -> Iterator[SourceItem]:
        """Yield frames in batches of one and audio; an audio chunk follows the frames before its end."""
        held: list[FrameBatch | AudioChunk] = []
        for item in self.source.items():
            if isinstance(item, AudioChunk) and held:
                held.append(item)
                continue
            yield from sorted(held, key=_time)
            held = list(_frames(item)) if isinstance(item, FrameBatch) else []
            if not held:
                yield item
        yield from sorted(held, key=_time)

    def stop(self) -> None:
        """Make ``items`` end soon."""
        self.source.stop()

    def snapshot(self) -> SourceSnapshot:
        """Return the counters."""
        return self.source.snapshot()

    def close(self) -> None:
        """Release all resources."""
        self.source.close()


def _frames(batch: FrameBatch) -> Iterable[FrameBatch]:
    """Return one batch per frame."""
    for i in range(len(batch.pts_s)):
        one = slice(i, i + 1)
        yield FrameBatch(batch.camera, batch.segment, batch.pts_s[one], batch.wall_time[one], batch.frames[one])


def _time(item: FrameBatch | AudioChunk) -> float:
    return float(item.pts_s[0]) if isinstance(item, FrameBatch) else item.end_s
