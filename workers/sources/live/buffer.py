"""Bounded buffer between a live decoder and its reader; it keeps the freshest items.

A queue that fills while the encoder restarts is drained afterwards, and nothing is lost. A standing queue, which stays
full although it is being drained, means overload: then only the freshest frame is kept, or every event would stay late.
The two cases are distinguished as in CoDel (RFC 8289), by how long items have been late.
"""

from collections import deque
from collections.abc import Callable
from threading import Condition

from workers.clock import Clock, SystemClock
from workers.types import FrameBatch, SourceItem

MAX_FRAMES = 32
MAX_AUDIO_CHUNKS = 60
LATE_S = 1.0  # seconds in the buffer
STANDING_S = 15.0  # items late for so long: overload; and the same time to end it


class StandingQueue:
    """Detects a standing queue. Call ``update`` whenever an item is taken out."""

    def __init__(self) -> None:
        self.stands = False
        self._changing_since: float | None = None

    def update(self, waited_s: float, waiting: int, now: float) -> bool:
        """Return whether the queue stands, given one item's wait and the number of waiting items of its kind.

        The queue stands after items were late for ``STANDING_S``, until at most one item waited for as long.
        """
        changing = waiting <= 1 if self.stands else waited_s > LATE_S
        if not changing:
            self._changing_since = None
        elif self._changing_since is None:
            self._changing_since = now
        elif now - self._changing_since >= STANDING_S:
            self.stands, self._changing_since = not self.stands, None
        return self.stands


class FreshBuffer:
    """A bounded queue that drops the oldest item. ``on_drop`` receives the reason and the number of dropped items."""

    def __init__(self, on_drop: Callable[[str, int], None], clock: Clock | None = None) -> None:
        self._items: deque[tuple[SourceItem, float]] = deque()  # with arrival times, monotonic seconds
        self._changed = Condition()
        self._on_drop = on_drop
        self._clock = clock or SystemClock()
        self._queue = StandingQueue()
        self._closed = False

    def put(self, item: SourceItem) -> None:
        """Add ``item``; drop the oldest of its kind if there are too many."""
        with self._changed:
            kind = type(item)
            limit = MAX_FRAMES if kind is FrameBatch else MAX_AUDIO_CHUNKS
            same = [i for i, (x, _) in enumerate(self._items) if type(x) is kind]
            if len(same) >= limit:
                del self._items[same[0]]
                self._on_drop("buffer_full" if kind is FrameBatch else "sound_buffer_full", 1)
            self._items.append((item, self._clock.monotonic()))
            self._changed.notify()

    def get(self) -> SourceItem | None:
        """Wait for and return the oldest item (under overload the newest frame); None once closed and empty."""
        with self._changed:
            while not self._items and not self._closed:
                self._changed.wait()
            if self._items and type(self._items[0][0]) is FrameBatch:
                self._keep_fresh()
            return self._items.popleft()[0] if self._items else None

    def close(self) -> None:
        """Make ``get`` return None when the buffer is empty."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _keep_fresh(self) -> None:
        """Drop all frames but the newest if the queue stands. The caller holds the lock; a frame is the oldest item."""
        now = self._clock.monotonic()
        frames = [x for x in self._items if type(x[0]) is FrameBatch]
        if self._queue.update(now - frames[0][1], len(frames), now) and len(frames) > 1:
            self._items = deque(x for x in self._items if type(x[0]) is not FrameBatch or x is frames[-1])
            self._on_drop("overload", len(frames) - 1)
