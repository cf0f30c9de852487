"""Decode one audio stream to 16 kHz mono with exact times; fill gaps with silence; follow format changes."""

from collections.abc import Iterator

import numpy as np
from av import AudioFrame, AudioResampler
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError

from alignment.types import F32
from workers.sources.containers.container import Entry
from workers.sources.counters import Counters
from workers.sources.limits import MAX_HZ, MIN_HZ
from workers.types import SAMPLE_RATE_HZ, AudioChunk

CHUNK_S = 1.0
TOLERANCE_S = 0.03  # containers round time stamps; a smaller step is not a gap


class AudioTrack:
    """Decodes the packets of the chosen audio stream to ``AudioChunk`` of about one second."""

    def __init__(self, camera: str, context: AudioCodecContext, counters: Counters) -> None:
        self._camera = camera
        self._context = context
        self._counters = counters
        self._resampler: AudioResampler | None = None
        self._form: tuple[str, str, int] | None = None
        self.damaged = 0  # packets that failed to decode
        self._segment = 0
        self._start: float | None = None  # stream seconds of the first sample in _parts
        self._parts: list[F32] = []
        self._count = 0  # samples in _parts

    def feed(self, entry: Entry) -> Iterator[AudioChunk]:
        """Decode the next packet; yield complete chunks."""
        try:
            frames = self._context.decode(entry.packet)
        except FFmpegError:
            self.damaged += 1
            self._counters.dropped("corrupt")
            return
        for frame in frames:
            yield from self._frame(frame, entry)

    def finish(self) -> Iterator[AudioChunk]:
        """Yield the remaining audio at the end of the stream or segment."""
        self._flush()
        yield from self._emit(0)
        self._start = None

    def _frame(self, frame: AudioFrame, entry: Entry) -> Iterator[AudioChunk]:
        if self._start is not None and entry.place.segment != self._segment:
            yield from self.finish()
        if not MIN_HZ <= frame.sample_rate <= MAX_HZ:  # same limits as on opening: the rate may change at any time
            self._counters.dropped("too_large")
            return
        t = self._end(entry.t) if frame.pts is None else frame.pts * float(frame.time_base or 0) + entry.place.offset
        if self._start is None:
            self._start, self._segment = t, entry.place.segment
        end = self._end(t)
        if t + frame.samples / frame.sample_rate <= end - TOLERANCE_S:
            return  # repeated audio: overlapping HLS segments, or a clock slower than its samples
        if t > end + TOLERANCE_S:
            yield from self._silence_until(t)
        self._resample(frame)
        yield from self._emit(int(CHUNK_S * SAMPLE_RATE_HZ))

    def _end(self, default: float) -> float:
        """Return the stream second after the last sample, by sample count, because time stamps may drift against it."""
        return default if self._start is None else self._start + self._count / SAMPLE_RATE_HZ

    def _silence_until(self, t: float) -> Iterator[AudioChunk]:
        """Append silence up to ``t``, one second at a time to bound memory."""
        self._flush()
        while self._start is not None:
            missing = round((t - self._start) * SAMPLE_RATE_HZ) - self._count
            if missing <= 0:
                return
            self._append(np.zeros(min(missing, SAMPLE_RATE_HZ), np.float32))
            yield from self._emit(int(CHUNK_S * SAMPLE_RATE_HZ))

    def _resample(self, frame: AudioFrame) -> None:
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or form != self._form:
            self._flush()
            self._resampler = AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
            self._form = form
        frame.pts = None  # times are kept in this class; the resampler must not add or drop samples
        self._take(self._resampler.resample(frame))

    def _flush(self) -> None:
        if self._resampler is not None:
            self._take(self._resampler.resample(None))
        self._resampler = None

    def _take(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            self._append(frame.to_ndarray().reshape(-1).astype(np.float32))

    def _append(self, samples: F32) -> None:
        self._parts.append(samples)
        self._count += len(samples)

    def _emit(self, least: int) -> Iterator[AudioChunk]:
        """Yield the buffered samples if they are more than ``least``, in chunks shorter than two ``CHUNK_S``."""
        if self._start is None or self._count <= least:
            return
        samples, start = np.concatenate(self._parts), self._start
        self._parts, self._count = [], 0
        self._start = start + len(samples) / SAMPLE_RATE_HZ
        early = min(len(samples), max(0, round(-start * SAMPLE_RATE_HZ)))  # encoder delay before second 0
        start, samples = start + early / SAMPLE_RATE_HZ, samples[early:]
        for part in np.array_split(samples, max(1, len(samples) // int(CHUNK_S * SAMPLE_RATE_HZ))):
            if len(part):
                yield AudioChunk(self._camera, self._segment, start, part)
            start += len(part) / SAMPLE_RATE_HZ
