"""Interleave sampled frames and audio into the items that a source yields."""

from collections.abc import Iterator

import numpy as np

from workers.clock import Clock
from workers.sources.decode.packets import Sampled
from workers.sources.decode.scaling import FrameScaler
from workers.types import U8, AudioChunk, FrameBatch, SourceItem

MAX_BATCH = 16
MAX_AUDIO_S = 30.0  # audio held while a batch fills; more would only cost memory
# Audio held while there is no frame before it: a long still frame, or a long GOP in the decoder. 38 MB.
MAX_LEAD_S = 600.0
STILL_STEPS = 2.5  # a frame shown for more sampling steps than this is still
REPEAT_STEPS = 16  # a still frame is repeated every so many steps, so that audio stays in step with it


class Interleaver:
    """Collects frames of one segment into batches and interleaves audio with them.

    ``step_s``: the time between sampled frames. A frame is shown until the next one; if that takes long, the frame is
    repeated. Infinite if there are frames in between that were not decoded.
    """

    def __init__(self, camera: str, scaler: FrameScaler, clock: Clock, has_video: bool, step_s: float) -> None:
        self._camera = camera
        self._scaler = scaler
        self._clock = clock
        self._has_video = has_video
        self._step_s = step_s
        self._segment = 0
        self._frames: list[U8] = []
        self._times: list[float] = []
        self._walls: list[float] = []
        self._audio: list[AudioChunk] = []
        self._last: tuple[U8, float] | None = None  # the latest frame of this segment and its time
        self._released_s = float("inf")  # the time of the latest released frame

    def frame(self, sampled: Sampled) -> Iterator[SourceItem]:
        """Add a sampled frame; yield complete items."""
        if sampled.segment != self._segment:
            if self._frames:
                yield from self.flush()
            self._segment, self._last, self._released_s = sampled.segment, None, float("inf")
        yield from self._repeat_still(sampled.t)
        yield from self._add(self._scaler(sampled.frame), sampled.t)

    def audio(self, chunk: AudioChunk) -> list[SourceItem]:
        """Add audio; return complete items."""
        if not self._has_video:
            return [chunk]
        self._audio.append(chunk)
        held = chunk.end_s - self._audio[0].start_s
        if self._frames:
            return self._release() if held > MAX_AUDIO_S else []
        return self.flush() if held > MAX_LEAD_S else []

    def end(self, segment: int, since_s: float, until_s: float) -> Iterator[SourceItem]:
        """Yield everything held at the end of a file whose last frame is shown from ``since_s`` until ``until_s``."""
        still_s = STILL_STEPS * self._step_s
        if self._last is not None and segment == self._segment and since_s - self._last[1] <= still_s:  # it was decoded
            picture, t = self._last
            steps = int((until_s - t) / self._step_s - 0.5)
            if steps >= STILL_STEPS - 0.5:
                yield from self._repeat_still(t + steps * self._step_s)
                yield from self._release() if self._audio else ()
                yield from self._add(picture, t + steps * self._step_s)
        yield from self.flush()

    def flush(self) -> list[SourceItem]:
        """Return everything held."""
        out = self._release()
        out += self._audio
        self._audio = []
        return out

    def _repeat_still(self, until_s: float) -> Iterator[SourceItem]:
        """Repeat the latest frame, with its audio, up to the next frame at ``until_s`` if that is much later."""
        if self._last is None or until_s - self._last[1] <= STILL_STEPS * self._step_s:
            return
        picture, t = self._last
        while (t := t + REPEAT_STEPS * self._step_s) < until_s:
            yield from self._release() if self._audio else ()
            yield from self._add(picture, t)

    def _add(self, picture: U8, t: float) -> list[SourceItem]:
        resized = bool(self._frames) and picture.shape != self._frames[-1].shape  # the stream changed its aspect ratio
        out = self._release() if resized else []
        self._frames.append(picture)
        self._times.append(t)
        self._walls.append(self._clock.wall())
        self._last = (picture, t)
        return [*out, *self._release()] if len(self._frames) >= MAX_BATCH else out

    def _release(self) -> list[SourceItem]:
        """Return the held frames, with the audio that starts before the last of them."""
        if not self._frames:
            return []
        times = np.asarray(self._times, np.float64)
        batch = FrameBatch(
            self._camera, self._segment, times, np.asarray(self._walls, np.float64), np.stack(self._frames)
        )
        still = times[0] - self._released_s > STILL_STEPS * self._step_s
        begin = self._released_s if still else times[0]  # audio meanwhile belongs to the still frame
        before = [c for c in self._audio if c.start_s <= begin]
        during = [c for c in self._audio if begin < c.start_s <= times[-1]]
        self._audio = [c for c in self._audio if c.start_s > times[-1]]
        self._frames, self._times, self._walls = [], [], []
        self._released_s = float(times[-1])
        return [*before, batch, *during]
