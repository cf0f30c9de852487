"""Buffer of consecutive audio of one camera, indexed by sample.

``vad`` and ``sound_events`` cut their windows from it, so that windows do not depend on how the audio was chunked.
"""

import numpy as np

from alignment.types import F32
from workers.types import SAMPLE_RATE_HZ, AudioChunk

MAX_JUMP_S = 0.05  # a larger step in time is a gap: sample times would be wrong


class AudioBuffer:
    """Audio since the last restart; old samples can be freed. Sample 0 is the first one after the restart."""

    def __init__(self) -> None:
        self.camera = ""
        self.segment = 0
        self._base_s = 0.0
        self._first = 0  # index of the first sample kept
        self._samples: F32 = np.zeros(0, np.float32)

    @property
    def end(self) -> int:
        """Return the index after the last sample; 0 without samples."""
        return self._first + len(self._samples)

    def continues(self, chunk: AudioChunk) -> bool:
        """Return whether ``chunk`` follows without a gap, in the same segment."""
        same = chunk.camera == self.camera and chunk.segment == self.segment
        return same and abs(chunk.start_s - self.time(self.end)) <= MAX_JUMP_S

    def restart(self, chunk: AudioChunk) -> None:
        """Clear the buffer; count samples and time from the start of ``chunk``, which is not appended."""
        self.camera, self.segment, self._base_s = chunk.camera, chunk.segment, chunk.start_s
        self._first, self._samples = 0, np.zeros(0, np.float32)

    def append(self, chunk: AudioChunk) -> None:
        """Append ``chunk``."""
        self._samples = np.concatenate([self._samples, chunk.samples])

    def slice(self, start: int, end: int) -> F32:
        """Return a view of the samples from ``start`` (not freed yet) to ``end``; shorter at the buffer's end."""
        return self._samples[start - self._first : end - self._first]

    def forget(self, before: int) -> None:
        """Free the samples before ``before``, at most once per second of audio, because the rest is copied."""
        if before - self._first >= SAMPLE_RATE_HZ:
            self._samples = self._samples[before - self._first :].copy()
            self._first = before

    def time(self, sample: int) -> float:
        """Return the stream second of a sample."""
        return self._base_s + sample / SAMPLE_RATE_HZ
