"""Short videos of summaries that were asked for, kept in memory while somebody watches them."""

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from daemon.summary.video import joined
from workers.clock import Clock, SystemClock
from workers.errors import ClipUnavailable
from workers.sources.clips.joining import Order, Shown

KEPT_BYTES, KEPT_S = 256 << 20, 900.0
WAIT_S = 60.0  # for another one to be made


@dataclass(frozen=True, slots=True)
class KeptVideo:
    """One video, and where in it which part is shown."""

    content: bytes
    shown: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class KeptVideos:
    """All videos of one order. ``cameras``: whose they are; ``sources``: files here that they were made of."""

    id: str
    cameras: frozenset[str]
    sources: tuple[Path, ...]
    videos: tuple[KeptVideo, ...]
    made: float  # monotonic seconds

    @property
    def size(self) -> int:
        """Return their bytes."""
        return sum(len(video.content) for video in self.videos)


class VideoShelf:
    """Makes videos, one order at a time, and keeps the latest. From any thread."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._working, self._mutex = threading.Lock(), threading.Lock()
        self._kept: OrderedDict[str, KeptVideos] = OrderedDict()

    def make(self, order: Order, cameras: frozenset[str], sources: tuple[Path, ...]) -> KeptVideos:
        """Return the videos of an order; raise ``ClipUnavailable`` if there is none, or if too many others wait."""
        if not self._working.acquire(timeout=WAIT_S):
            raise ClipUnavailable("other videos are being made", "try again in a minute")
        try:
            with joined(order) as videos:
                made = tuple(KeptVideo(video.path.read_bytes(), video.shown) for video in videos)
        finally:
            self._working.release()
        kept = KeptVideos(secrets.token_urlsafe(12), cameras, sources, made, self._clock.monotonic())
        with self._mutex:
            self._kept[kept.id] = kept
            while len(self._kept) > 1 and sum(one.size for one in self._kept.values()) > KEPT_BYTES:
                self._kept.popitem(last=False)
        return kept

    def get(self, video_id: str) -> KeptVideos | None:
        """Return what was made; None if it is gone, or if anything that it was made of is: that was forgotten."""
        with self._mutex:
            oldest = self._clock.monotonic() - KEPT_S
            for old in [one.id for one in self._kept.values() if one.made < oldest]:
                del self._kept[old]
            found = self._kept.get(video_id)
            if found is not None and not all(source.exists() for source in found.sources):
                del self._kept[video_id]
                return None
            return found
