"""Whether the machine has more to do than it can, from what its streams had to drop: for people, once, and metrics."""

from collections.abc import Sequence

import structlog

from workers.clock import Clock, SystemClock
from workers.snapshots import StreamSnapshot
from workers.speech_queue import SpeechSnapshot

QUIET_S = 30.0  # without a drop, until a camera counts as keeping up again

log = structlog.get_logger()


class OverloadWatch:
    """Remembers what each camera has lost to overload so far."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lost: dict[str, int] = {}
        self._lost_at: dict[str, float] = {}  # monotonic seconds
        self._told: frozenset[str] = frozenset()

    def look(self, streams: Sequence[StreamSnapshot], speech: SpeechSnapshot | None) -> frozenset[str]:
        """Return the cameras that lately lost frames or speech; say when that begins, widens, and is over."""
        spoken, now = speech.dropped if speech else {}, self._clock.monotonic()
        for stream in streams:
            lost = stream.source.dropped.get("overload", 0) + spoken.get(stream.camera, 0)
            if lost > self._lost.get(stream.camera, 0):
                self._lost_at[stream.camera] = now
            self._lost[stream.camera] = lost  # which goes back where speech begins anew
        self._lost_at = {camera: t for camera, t in self._lost_at.items() if now - t < QUIET_S}
        found = frozenset(self._lost_at)
        self._tell(found)
        return found

    def _tell(self, found: frozenset[str]) -> None:
        if found - self._told:
            log.warning(
                "overloaded: frames or speech of these cameras are dropped, the least important first",
                cameras=sorted(found),
                hint="lower their fps, watch fewer cameras, or use a GPU; docs/operations.md, Overload",
            )
            self._told |= found
        elif self._told and not found:
            log.info("no longer overloaded", cameras=sorted(self._told))
            self._told = frozenset()
