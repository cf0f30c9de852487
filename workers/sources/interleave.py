"""From sampled frames and sound, each in rising time, to the items that a source yields."""

from collections.abc import Iterator

import numpy as np

from workers.clock import Clock
from workers.sources.decoding import Sampled
from workers.sources.scaling import FrameScaler
from workers.types import U8, AudioChunk, FrameBatch, SourceItem

MAX_BATCH = 16
MAX_SOUND_S = 30.0  # sound held back while a batch fills; more would only cost memory
# Sound held back while there is no picture to go before it: one stands still, or the decoder holds a long group of
# pictures. 38 MB.
MAX_LEAD_S = 600.0
STILL_STEPS = 2.5  # a frame that is shown for longer than this many steps of sampling stands still
REPEAT_STEPS = 16  # how often the picture is given that stands still, so that sound stays in step with it


class Interleaver:
    """Gathers frames of one epoch into batches and lets sound through in step with them.

    ``step_s``: the time between frames that are wanted. A frame is shown until the next one; where that is long it is
    given again now and then. Infinite where there are frames in between that nobody looked at.
    """

    def __init__(self, camera: str, scaler: FrameScaler, clock: Clock, has_video: bool, step_s: float) -> None:
        self._camera = camera
        self._scaler = scaler
        self._clock = clock
        self._has_video = has_video
        self._step_s = step_s
        self._epoch = 0
        self._pictures: list[U8] = []
        self._times: list[float] = []
        self._walls: list[float] = []
        self._sound: list[AudioChunk] = []
        self._last: tuple[U8, float] | None = None  # the latest picture of this epoch and its time
        self._released_s = float("inf")  # the time of the latest one that was released

    def frame(self, sampled: Sampled) -> Iterator[SourceItem]:
        """Take the next sampled frame; yield the items that are complete."""
        if sampled.epoch != self._epoch:
            if self._pictures:
                yield from self.flush()
            self._epoch, self._last, self._released_s = sampled.epoch, None, float("inf")
        yield from self._stand(sampled.t)
        yield from self._add(self._scaler(sampled.frame), sampled.t)

    def sound(self, chunk: AudioChunk) -> list[SourceItem]:
        """Take the next sound; return the items that are complete."""
        if not self._has_video:
            return [chunk]
        self._sound.append(chunk)
        held = chunk.end_s - self._sound[0].start_s
        if self._pictures:
            return self._release() if held > MAX_SOUND_S else []
        return self.flush() if held > MAX_LEAD_S else []

    def end(self, epoch: int, since_s: float, until_s: float) -> Iterator[SourceItem]:
        """Yield everything held, at the end of a file whose last frame is shown from ``since_s`` until ``until_s``."""
        still_s = STILL_STEPS * self._step_s
        if self._last is not None and epoch == self._epoch and since_s - self._last[1] <= still_s:  # it was decoded
            picture, t = self._last
            steps = int((until_s - t) / self._step_s - 0.5)
            if steps >= STILL_STEPS - 0.5:
                yield from self._stand(t + steps * self._step_s)
                yield from self._release() if self._sound else ()
                yield from self._add(picture, t + steps * self._step_s)
        yield from self.flush()

    def flush(self) -> list[SourceItem]:
        """Return everything held."""
        out = self._release()
        out += self._sound
        self._sound = []
        return out

    def _stand(self, until_s: float) -> Iterator[SourceItem]:
        """Repeat the latest picture, with its sound, up to the next one at ``until_s`` if that is long after it."""
        if self._last is None or until_s - self._last[1] <= STILL_STEPS * self._step_s:
            return
        picture, t = self._last
        while (t := t + REPEAT_STEPS * self._step_s) < until_s:
            yield from self._release() if self._sound else ()
            yield from self._add(picture, t)

    def _add(self, picture: U8, t: float) -> list[SourceItem]:
        self._pictures.append(picture)
        self._times.append(t)
        self._walls.append(self._clock.wall())
        self._last = (picture, t)
        return self._release() if len(self._pictures) >= MAX_BATCH else []

    def _release(self) -> list[SourceItem]:
        """Return the frames held, with the sound that begins before the last of them."""
        if not self._pictures:
            return []
        times = np.asarray(self._times, np.float64)
        batch = FrameBatch(
            self._camera, self._epoch, times, np.asarray(self._walls, np.float64), np.stack(self._pictures)
        )
        still = times[0] - self._released_s > STILL_STEPS * self._step_s
        begin = self._released_s if still else times[0]  # what is heard meanwhile is decided on with what is seen
        before = [c for c in self._sound if c.start_s <= begin]
        during = [c for c in self._sound if begin < c.start_s <= times[-1]]
        self._sound = [c for c in self._sound if c.start_s > times[-1]]
        self._pictures, self._times, self._walls = [], [], []
        self._released_s = float(times[-1])
        return [*before, batch, *during]
