"""One transcriber for all cameras, behind a bounded priority queue.

A file never loses a chunk: it waits, and all files together fill at most half the queue. A live camera never waits:
when the queue is full, the least important live chunk is dropped and counted; among equal ones the oldest, because a
late transcript is worth less for an alert.
"""

import heapq
import threading
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from workers.clock import Clock, SystemClock
from workers.telemetry import InFlightTimer
from workers.types import SAMPLE_RATE_HZ, Utterance, VoicedChunk

Utterances = tuple[Utterance, ...]


class Recognizer(Protocol):
    """Turns a voiced chunk into text; one thread calls it."""

    def transcribe(self, chunk: VoicedChunk) -> Utterances:
        """Return the utterances in ``chunk``."""
        ...


@dataclass(frozen=True, slots=True)
class TranscriptionSnapshot:
    """Counters of a ``TranscriptionQueue`` at one moment."""

    depth: int  # waiting chunks, without the one in flight
    dropped: dict[str, int]  # camera -> chunks dropped from a full queue
    failed: int  # chunks whose transcription raised an error
    audio_s: float  # transcribed audio
    busy_s: float  # time spent transcribing
    in_flight_s: float = 0.0  # age of the chunk in flight

    @property
    def realtime_factor(self) -> float:
        """Return seconds of work per second of audio; 0 before the first chunk."""
        return self.busy_s / self.audio_s if self.audio_s else 0.0


@dataclass(order=True, slots=True)
class _Job:
    """A queued chunk; ordered by who is served first."""

    urgency: int
    number: int
    chunk: VoicedChunk = field(compare=False)
    lossless: bool = field(compare=False)
    future: "Future[Utterances]" = field(compare=False)


class TranscriptionQueue:
    """Transcribes chunks on one thread of its own. Higher ``VoicedChunk.priority`` first, then the oldest.

    All methods may be called from any thread.
    """

    def __init__(self, recognizer: Recognizer, capacity: int = 32, clock: Clock | None = None) -> None:
        self._recognizer = recognizer
        self._capacity = capacity
        self._changed = threading.Condition()  # guards everything below
        self._jobs: list[_Job] = []  # a heap
        self._number = 0
        self._closed = False
        self._dropped: Counter[str] = Counter()
        self._failed = 0
        self._audio_s = 0.0
        self._busy_s = 0.0
        self._in_flight = InFlightTimer(clock or SystemClock())
        self._thread = threading.Thread(target=self._work, name="speech", daemon=True)
        self._thread.start()

    def submit(self, chunk: VoicedChunk, wait: bool) -> "Future[Utterances]":
        """Queue ``chunk``; return a Future of its utterances.

        ``wait`` (files): block until there is room for files; the chunk is never dropped. Otherwise (live): return
        immediately; a dropped chunk gets the result ``()``. A closed queue returns a cancelled Future; a failed
        transcription sets its error.
        """
        future: Future[Utterances] = Future()
        with self._changed:
            self._changed.wait_for(lambda: not wait or self._closed or self._has_room_for_a_file())
            if self._closed:
                future.cancel()
                return future
            self._number += 1
            heapq.heappush(self._jobs, _Job(-chunk.priority, self._number, chunk, wait, future))
            victim = self._drop_one() if len(self._jobs) > self._capacity else None
            self._changed.notify_all()
        if victim is not None and victim.future.set_running_or_notify_cancel():
            victim.future.set_result(())  # outside the lock: its callbacks run here
        return future

    def snapshot(self) -> TranscriptionSnapshot:
        """Return the counters."""
        with self._changed:
            counted = (dict(self._dropped), self._failed, self._audio_s, self._busy_s)
            return TranscriptionSnapshot(len(self._jobs), *counted, self._in_flight.seconds)

    def close(self, drain: bool = True, timeout_s: float | None = None) -> bool:
        """Accept no more chunks; finish (``drain``) or cancel queued ones; return whether the work ended in time.

        The chunk in flight is always finished: Whisper cannot be interrupted.
        """
        with self._changed:
            self._closed = True
            jobs = [] if drain else self._jobs
            if not drain:
                self._jobs = []
            self._changed.notify_all()
        for job in jobs:
            job.future.cancel()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _has_room_for_a_file(self) -> bool:
        """Return whether files fill less than half of the queue. The caller holds the lock."""
        return 2 * sum(job.lossless for job in self._jobs) < self._capacity

    def _drop_one(self) -> _Job:
        """Remove the least important, then oldest, live chunk. The caller holds the lock."""
        victim = max((j for j in self._jobs if not j.lossless), key=lambda j: (j.urgency, -j.number))
        self._jobs.remove(victim)
        heapq.heapify(self._jobs)
        self._dropped[victim.chunk.camera] += 1
        return victim

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if not self._jobs:
                    return
                job = heapq.heappop(self._jobs)
                self._changed.notify_all()  # there is room
            if job.future.set_running_or_notify_cancel():
                with self._in_flight:
                    self._transcribe(job)

    def _transcribe(self, job: _Job) -> None:
        try:
            said = self._recognizer.transcribe(job.chunk)
        except Exception as error:  # only this chunk's caller gets the error; other cameras go on
            with self._changed:
                self._failed += 1
            job.future.set_exception(error)
            return
        with self._changed:
            self._audio_s += len(job.chunk.samples) / SAMPLE_RATE_HZ
            self._busy_s += self._in_flight.seconds
        job.future.set_result(said)
