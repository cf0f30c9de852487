"""Whether a camera whose pictures come is heard as well: its sound may change its codec, cease, or be switched off."""

import structlog

from workers.clock import Clock
from workers.sources.counters import Counters

UNDECODABLE_S = 3.0  # without anything decoded while packets come that do not: another codec, most likely
UNDECODABLE = 10  # packets
LATE_S = 5.0  # how much longer than pictures sound may be missing: it comes in chunks, and muxed before or after them

log = structlog.get_logger(__name__)


class Hearing:
    """The sound of one camera, over all its connections.

    A connection that was heard is left for another one when its sound is lost. Where sound ceased (no packets come)
    and the next connection has none either, a microphone was switched off: the stream is not opened for it again.
    """

    def __init__(self, camera: str, clock: Clock, counters: Counters) -> None:
        self._camera, self._clock, self._counters = camera, clock, counters
        self._last = 0.0  # heard, or the connection's beginning
        self._damaged = 0
        self._heard = False  # in this connection
        self._missing = self._sought = False
        self._reopens = True

    def begin(self) -> None:
        """Note that a connection begins."""
        self._last, self._damaged, self._heard = self._clock.monotonic(), 0, False

    def heard(self, damaged: int) -> None:
        """Note that sound came; ``damaged``: packets of this connection's sound that did not decode so far."""
        self._last, self._damaged, self._heard = self._clock.monotonic(), damaged, True
        self._counters.heard(self._clock.wall())
        if self._missing:
            self._missing = False
            log.info("sound_back", camera=self._camera)

    def is_lost(self, damaged: int, limit_s: float) -> bool:
        """Return whether to open the stream anew for its sound; tell once that there is none."""
        silent_s, undecodable = self._clock.monotonic() - self._last, damaged - self._damaged >= UNDECODABLE
        if silent_s <= (UNDECODABLE_S if undecodable else limit_s + LATE_S):
            return False
        if self._sought and not self._heard:
            self._reopens = False
        self._sought = self._heard and (undecodable or self._reopens)
        if not self._missing:
            self._missing = True
            why = "it does not decode" if undecodable else "none comes"
            self._counters.note(f"no sound for {silent_s:.0f} s: {why}")
            log.warning("no_sound", camera=self._camera, silent_s=round(silent_s), reason=why, opened_anew=self._sought)
        return self._sought
