"""Sound events: the probability of each of AudioSet's classes along time, by YAMNet.

A window of 0.975 s is analysed every 0.48 s. The row of each 0.48 s holds the maximum of the two windows that contain
it: how a sound lies in a window changes its probability (a car horn: .04 to .2 from one window to the next).
"""

import math

import numpy as np

from alignment.types import F32
from workers.audio.buffer import AudioBuffer
from workers.audio.yamnet import HOP, WINDOW, YamNet
from workers.types import SAMPLE_RATE_HZ, AudioChunk, SoundTags

LEAST = SAMPLE_RATE_HZ // 10  # a shorter rest gets no row


class SoundTagger:
    """Classifies one camera's audio, independent of how the audio is chunked.

    Rows count from the first sample of a segment or after a gap. Not thread-safe. Raises ``ModelUnavailable`` if ONNX
    Runtime is not installed.
    """

    def __init__(self) -> None:
        self._model = YamNet()
        self._watermark = -math.inf
        self._clear()

    @property
    def watermark_s(self) -> float:
        """Stream second up to which all audio is classified; minus infinity before any audio."""
        return self._watermark

    def push(self, chunk: AudioChunk) -> SoundTags | None:
        """Add audio; return the rows that it completed, all of one segment, or None.

        At a gap or a new segment, this returns the rows of the audio before it; those of ``chunk`` come later.
        """
        if self._audio.continues(chunk):
            self._audio.append(chunk)
            return self._tag()
        rest = self.flush()
        self._audio.restart(chunk)
        self._audio.append(chunk)
        return rest if rest is not None else self._tag()

    def flush(self) -> SoundTags | None:
        """Return the rows of the remaining audio, whose windows end in silence; clear the state."""
        end = self._audio.end
        tags = self._tag(least=LEAST)
        if end:
            self._watermark = max(self._watermark, self._audio.time(end))
        self._clear()
        return tags

    def _clear(self) -> None:
        self._audio = AudioBuffer()
        self._tagged = 0  # samples that have their row
        self._before: F32 = np.zeros(0, np.float32)  # probabilities of the window before

    def _tag(self, least: int = WINDOW) -> SoundTags | None:
        """Return the rows whose window has at least ``least`` samples."""
        times, rows = [], []
        while self._audio.end - self._tagged >= least:
            start, end = self._tagged, min(self._tagged + HOP, self._audio.end)
            window = self._audio.slice(start, start + WINDOW)
            found = self._model.probabilities(np.pad(window, (0, WINDOW - len(window))))
            rows.append(np.maximum(found, self._before) if len(self._before) else found)
            times.append((self._audio.time(start), self._audio.time(end)))
            self._before, self._tagged = found, end
            self._watermark = max(self._watermark, self._audio.time(end))
        self._audio.forget(self._tagged)
        return SoundTags(self._audio.segment, np.array(times), np.stack(rows)) if rows else None
