"""The counters of a source; its decode thread writes them, any thread reads them."""

from collections import Counter
from threading import Lock

import structlog

from workers.errors import SourceError
from workers.types import SourceSnapshot

log = structlog.get_logger(__name__)


class Counters:
    """Thread-safe counts of one source, copied out as ``SourceSnapshot``."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._up = self._stamps_doubted = False
        self._decoded = self._sampled = self._segment = self._fed = self._shown = 0
        self._dropped: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._reconnects: Counter[str] = Counter()
        self._was_up, self._lost_by = False, ""
        self._last_frame_wall: float | None = None
        self._last_sound_wall: float | None = None
        self._last_error: str | None = None
        self._passed_over: tuple[str, ...] = ()
        self._has_video = True

    def set_up(self, up: bool) -> None:
        """Set whether the source delivers frames; count a reconnect if it does so again after a failure."""
        with self._lock:
            if up and self._lost_by:
                self._reconnects[self._lost_by] += 1
                self._lost_by = ""
            self._up, self._was_up = up, self._was_up or up

    def doubt_stamps(self, doubted: bool) -> None:
        """Set whether the time stamps of the current connection do not run with time."""
        with self._lock:
            self._stamps_doubted = doubted

    def decoded(self, frames: int) -> None:
        """Count decoded frames."""
        with self._lock:
            self._decoded += frames

    def worked(self, fed: int = 0, shown: int = 0) -> None:
        """Count pixels of frames that were fed to a decoder (at its last known frame size) or that it output."""
        with self._lock:
            self._fed += fed
            self._shown += shown

    @property
    def pixels(self) -> int:
        """Return the number of decoded pixels: the larger of fed and output, as either can be incomplete."""
        with self._lock:
            return max(self._fed, self._shown)

    def sampled(self, frames: int, segment: int, wall: float) -> None:
        """Count sampled frames; set the time of the last one."""
        with self._lock:
            self._sampled += frames
            self._segment = max(self._segment, segment)
            self._last_frame_wall = wall

    def heard(self, wall: float) -> None:
        """Set the time of the last audio."""
        with self._lock:
            self._last_sound_wall = wall

    def dropped(self, reason: str, count: int = 1) -> None:
        """Count dropped frames or packets, by reason."""
        with self._lock:
            self._dropped[reason] += count

    def failed(self, error: SourceError) -> None:
        """Set the last error, with which a connection failed or was lost, and count it."""
        with self._lock:
            self._last_error = f"{error.code}: {error.message}"
            self._failures[error.code] += 1
            if self._was_up and not self._lost_by:
                self._lost_by = error.code

    def note(self, text: str) -> None:
        """Set the last problem that is not an error, such as a truncated file."""
        with self._lock:
            self._last_error = text

    def opened(self, camera: str, has_video: bool, passed_over: tuple[str, ...]) -> None:
        """Set what the opened input has, and which of its tracks cannot be decoded; log those if they are new."""
        with self._lock:
            known, self._passed_over, self._has_video = self._passed_over, passed_over, has_video
        if passed_over and passed_over != known:
            log.warning("tracks_passed_over", camera=camera, tracks=list(passed_over))

    def snapshot(self) -> SourceSnapshot:
        """Return a copy of all counters."""
        with self._lock:
            return SourceSnapshot(
                up=self._up,
                stamps_doubted=self._stamps_doubted,
                frames_decoded=self._decoded,
                frames_sampled=self._sampled,
                dropped=dict(self._dropped),
                failures=dict(self._failures),
                reconnects=dict(self._reconnects),
                last_frame_wall=self._last_frame_wall,
                last_sound_wall=self._last_sound_wall,
                last_error=self._last_error,
                passed_over=self._passed_over,
                has_video=self._has_video,
                segment=self._segment,
            )
