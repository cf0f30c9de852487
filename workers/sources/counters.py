"""A source's counters: written by its decode thread, read by anyone."""

from collections import Counter
from threading import Lock

from workers.errors import SourceError
from workers.types import SourceSnapshot


class Counters:
    """Thread-safe counts of one source, copied out as ``SourceSnapshot``."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._up = False
        self._decoded = self._sampled = self._epoch = self._fed = self._shown = 0
        self._dropped: Counter[str] = Counter()
        self._reconnects: Counter[str] = Counter()
        self._last_frame_wall: float | None = None
        self._last_sound_wall: float | None = None
        self._last_error: str | None = None

    def set_up(self, up: bool) -> None:
        """Note whether the source delivers."""
        with self._lock:
            self._up = up

    def decoded(self, frames: int) -> None:
        """Count frames that came out of the decoder."""
        with self._lock:
            self._decoded += frames

    def worked(self, fed: int = 0, shown: int = 0) -> None:
        """Count pixels that a decoder was fed, as large as it last knew them, or that came out of it."""
        with self._lock:
            self._fed += fed
            self._shown += shown

    @property
    def pixels(self) -> int:
        """Return how many pixels were decoded: not all are shown, and their size may be known only when they are."""
        with self._lock:
            return max(self._fed, self._shown)

    def sampled(self, frames: int, epoch: int, wall: float) -> None:
        """Count sampled frames and note when the last one came."""
        with self._lock:
            self._sampled += frames
            self._epoch = max(self._epoch, epoch)
            self._last_frame_wall = wall

    def heard(self, wall: float) -> None:
        """Note when the last sound came."""
        with self._lock:
            self._last_sound_wall = wall

    def dropped(self, reason: str, count: int = 1) -> None:
        """Count frames or packets that were lost, by reason."""
        with self._lock:
            self._dropped[reason] += count

    def error(self, error: SourceError, reconnect: bool = False) -> None:
        """Note the last error, and a reconnect caused by it."""
        with self._lock:
            self._last_error = f"{error.code}: {error.message}"
            if reconnect:
                self._reconnects[error.code] += 1

    def note(self, text: str) -> None:
        """Note something wrong that is no error of its own, such as a truncated file."""
        with self._lock:
            self._last_error = text

    def snapshot(self) -> SourceSnapshot:
        """Return a copy of all counts."""
        with self._lock:
            return SourceSnapshot(
                up=self._up,
                frames_decoded=self._decoded,
                frames_sampled=self._sampled,
                dropped=dict(self._dropped),
                reconnects=dict(self._reconnects),
                last_frame_wall=self._last_frame_wall,
                last_sound_wall=self._last_sound_wall,
                last_error=self._last_error,
                epoch=self._epoch,
            )
