"""Between a live decoder and its reader: the freshest items, never more than a bound."""

from collections import deque
from collections.abc import Callable
from threading import Condition

from workers.types import FrameBatch, SourceItem

MAX_FRAMES = 32
MAX_SOUND_CHUNKS = 60


class FreshBuffer:
    """A bounded queue that throws the oldest away. ``on_drop`` hears how many frames or sound chunks were lost."""

    def __init__(self, on_drop: Callable[[str, int], None]) -> None:
        self._items: deque[SourceItem] = deque()
        self._changed = Condition()
        self._on_drop = on_drop
        self._closed = False

    def put(self, item: SourceItem) -> None:
        """Add ``item``; drop the oldest of its kind if there are too many."""
        with self._changed:
            kind = type(item)
            limit = MAX_FRAMES if kind is FrameBatch else MAX_SOUND_CHUNKS
            same = [i for i, x in enumerate(self._items) if type(x) is kind]
            if len(same) >= limit:
                del self._items[same[0]]
                self._on_drop("buffer_full" if kind is FrameBatch else "sound_buffer_full", 1)
            self._items.append(item)
            self._changed.notify()

    def get(self) -> SourceItem | None:
        """Return the oldest item, waiting for one; None once closed and empty."""
        with self._changed:
            while not self._items and not self._closed:
                self._changed.wait()
            return self._items.popleft() if self._items else None

    def close(self) -> None:
        """Let ``get`` end instead of wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
