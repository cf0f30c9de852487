"""Consecutive sound of one camera, addressed by sample from where it began.

Whoever cuts sound into windows (``voice``, ``sound``) keeps it here, so that windows depend on the sound alone and not
on how it was cut into chunks.
"""

import numpy as np

from alignment.types import F32
from workers.types import SAMPLE_RATE_HZ, AudioChunk

MAX_JUMP_S = 0.05  # a step in time beyond this is a gap: times would no longer hold


class SoundBuffer:
    """Sound since the last restart, of which the older part may be forgotten. Sample 0 is the first one."""

    def __init__(self) -> None:
        self.camera = ""
        self.epoch = 0
        self._base_s = 0.0
        self._first = 0  # index of the first sample kept
        self._samples: F32 = np.zeros(0, np.float32)

    @property
    def end(self) -> int:
        """Return the index behind the last sample; 0 where there was none."""
        return self._first + len(self._samples)

    def continues(self, chunk: AudioChunk) -> bool:
        """Return whether ``chunk`` follows without a gap, in the same epoch."""
        same = chunk.camera == self.camera and chunk.epoch == self.epoch
        return same and abs(chunk.start_s - self.time(self.end)) <= MAX_JUMP_S

    def restart(self, chunk: AudioChunk) -> None:
        """Forget all; count samples and time from the start of ``chunk``, which is not appended yet."""
        self.camera, self.epoch, self._base_s = chunk.camera, chunk.epoch, chunk.start_s
        self._first, self._samples = 0, np.zeros(0, np.float32)

    def append(self, chunk: AudioChunk) -> None:
        """Add ``chunk`` behind the last sample."""
        self._samples = np.concatenate([self._samples, chunk.samples])

    def slice(self, start: int, end: int) -> F32:
        """Return a view of the samples from ``start`` (not forgotten yet) to ``end``, shorter at the buffer's end."""
        return self._samples[start - self._first : end - self._first]

    def forget(self, before: int) -> None:
        """Free the samples before ``before``, at most once a second of sound, for it copies the others."""
        if before - self._first >= SAMPLE_RATE_HZ:
            self._samples = self._samples[before - self._first :].copy()
            self._first = before

    def time(self, sample: int) -> float:
        """Return the stream second of a sample."""
        return self._base_s + sample / SAMPLE_RATE_HZ
