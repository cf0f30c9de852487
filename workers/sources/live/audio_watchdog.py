"""Detect lost audio of a camera that still sends video: another codec, no packets, or a microphone switched off."""

import structlog

from workers.clock import Clock
from workers.sources.counters import Counters

UNDECODABLE_S = 3.0  # packets arrive but none decodes: most likely another codec
UNDECODABLE = 10  # packets
LATE_S = 5.0  # audio may be missing for longer than video: it comes in chunks, muxed before or after frames

log = structlog.get_logger(__name__)


class AudioWatchdog:
    """Watches the audio of one camera over all its connections.

    A connection that loses its audio is reopened. If packets ceased and the next connection has no audio either, the
    microphone was switched off: the stream is not reopened for audio again.
    """

    def __init__(self, camera: str, clock: Clock, counters: Counters) -> None:
        self._camera, self._clock, self._counters = camera, clock, counters
        self._last = 0.0  # monotonic time of the last audio, or of the connection's start
        self._damaged = 0
        self._heard = False  # in this connection
        self._missing = self._reopened = False
        self._reopens = True

    def begin(self) -> None:
        """Record the start of a connection."""
        self._last, self._damaged, self._heard = self._clock.monotonic(), 0, False

    def heard(self, damaged: int) -> None:
        """Record audio; ``damaged``: audio packets of this connection that did not decode so far."""
        self._last, self._damaged, self._heard = self._clock.monotonic(), damaged, True
        self._counters.heard(self._clock.wall())
        if self._missing:
            self._missing = False
            log.info("audio_restored", camera=self._camera)

    def is_lost(self, damaged: int, limit_s: float) -> bool:
        """Return whether to reopen the stream for its audio; log once that audio is missing."""
        silent_s, undecodable = self._clock.monotonic() - self._last, damaged - self._damaged >= UNDECODABLE
        if silent_s <= (UNDECODABLE_S if undecodable else limit_s + LATE_S):
            return False
        if self._reopened and not self._heard:
            self._reopens = False
        self._reopened = self._heard and (undecodable or self._reopens)
        if not self._missing:
            self._missing = True
            why = "audio packets do not decode" if undecodable else "no audio packets arrive"
            self._counters.note(f"no audio for {silent_s:.0f} s: {why}")
            log.warning(
                "audio_lost", camera=self._camera, silent_s=round(silent_s), reason=why, reopened=self._reopened
            )
        return self._reopened
