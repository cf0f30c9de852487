"""From sampled frames and sound, each in rising time, to the items that a source yields."""

import numpy as np

from workers.clock import Clock
from workers.sources.decoding import Sampled
from workers.sources.scaling import FrameScaler
from workers.types import U8, AudioChunk, FrameBatch, SourceItem

MAX_BATCH = 16
MAX_SOUND_S = 30.0  # sound held back while a batch fills; more would only cost memory


class Interleaver:
    """Gathers frames of one epoch into batches and lets sound through in step with them."""

    def __init__(self, camera: str, scaler: FrameScaler, clock: Clock, has_video: bool) -> None:
        self._camera = camera
        self._scaler = scaler
        self._clock = clock
        self._has_video = has_video
        self._epoch = 0
        self._pictures: list[U8] = []
        self._times: list[float] = []
        self._walls: list[float] = []
        self._sound: list[AudioChunk] = []

    def frame(self, sampled: Sampled) -> list[SourceItem]:
        """Take the next sampled frame; return the items that are complete."""
        out = self.flush() if self._pictures and sampled.epoch != self._epoch else []
        self._epoch = sampled.epoch
        self._pictures.append(self._scaler(sampled.frame))
        self._times.append(sampled.t)
        self._walls.append(self._clock.wall())
        return out + (self._release() if len(self._pictures) >= MAX_BATCH else [])

    def sound(self, chunk: AudioChunk) -> list[SourceItem]:
        """Take the next sound; return the items that are complete."""
        if not self._has_video:
            return [chunk]
        self._sound.append(chunk)
        return self.flush() if chunk.end_s - self._sound[0].start_s > MAX_SOUND_S else []

    def flush(self) -> list[SourceItem]:
        """Return everything held."""
        out = self._release()
        out += self._sound
        self._sound = []
        return out

    def _release(self) -> list[SourceItem]:
        """Return the frames held, with the sound that begins before the last of them."""
        if not self._pictures:
            return []
        times = np.asarray(self._times, np.float64)
        batch = FrameBatch(
            self._camera, self._epoch, times, np.asarray(self._walls, np.float64), np.stack(self._pictures)
        )
        before = [c for c in self._sound if c.start_s <= times[0]]
        during = [c for c in self._sound if times[0] < c.start_s <= times[-1]]
        self._sound = [c for c in self._sound if c.start_s > times[-1]]
        self._pictures, self._times, self._walls = [], [], []
        return [*before, batch, *during]
