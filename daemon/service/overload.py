"""Overload: which cameras lose work because there is more than the machine can do; for the log and for metrics."""

from collections.abc import Sequence

import structlog

from daemon.observability.snapshot import CameraStatus
from workers.clock import Clock, SystemClock

QUIET_S = 30.0  # without a drop, until a camera is no longer overloaded

log = structlog.get_logger()


class OverloadWatch:
    """Remembers what each camera has lost to overload so far."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lost: dict[str, int] = {}
        self._lost_at: dict[str, float] = {}  # monotonic seconds
        self._logged: frozenset[str] = frozenset()

    def look(self, cameras: Sequence[CameraStatus]) -> frozenset[str]:
        """Return the cameras that lately lost frames or speech; log when that begins, widens, and is over."""
        now = self._clock.monotonic()
        for camera in cameras:
            lost = camera.stream.source.dropped.get("overload", 0) + camera.speech_dropped
            if lost > self._lost.get(camera.name, 0):
                self._lost_at[camera.name] = now
            self._lost[camera.name] = lost  # which decreases where the speech service restarts
        self._lost_at = {camera: t for camera, t in self._lost_at.items() if now - t < QUIET_S}
        found = frozenset(self._lost_at)
        self._log(found)
        return found

    def _log(self, found: frozenset[str]) -> None:
        if found - self._logged:
            log.warning(
                "overloaded: frames or speech of these cameras are dropped, those of the lowest priority first",
                cameras=sorted(found),
                hint="lower their fps, watch fewer cameras, or use a GPU; docs/operations.md, Overload",
            )
            self._logged |= found
        elif self._logged and not found:
            log.info("no longer overloaded", cameras=sorted(self._logged))
            self._logged = frozenset()
