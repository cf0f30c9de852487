"""One recogniser for all cameras, behind a bounded queue that serves by priority.

Rule: a file loses nothing, it waits, and files together fill half the queue at most; a live camera never waits, so when
the queue is full its least important and oldest chunk gives way and is counted. Speech that nobody has transcribed yet
is late for an alert, so among equals the fresh is worth more than the old.
"""

import heapq
import threading
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from workers.clock import Clock, SystemClock
from workers.telemetry import InHand
from workers.types import SAMPLE_RATE_HZ, Utterance, VoicedChunk

Said = tuple[Utterance, ...]


class Recognizer(Protocol):
    """What turns a voiced chunk into text; called from one thread."""

    def transcribe(self, chunk: VoicedChunk) -> Said:
        """Return what was said in ``chunk``."""
        ...


@dataclass(frozen=True, slots=True)
class SpeechSnapshot:
    """Counters of a ``SpeechQueue`` at one moment."""

    depth: int  # chunks that wait, without the one in work
    dropped: dict[str, int]  # camera -> chunks that gave way in a full queue
    failed: int  # chunks whose recogniser raised
    audio_s: float  # sound transcribed
    busy_s: float  # time spent on it
    in_hand_s: float = 0.0  # how long the chunk in work has taken so far

    @property
    def realtime_factor(self) -> float:
        """Return seconds of work per second of sound; 0 before the first."""
        return self.busy_s / self.audio_s if self.audio_s else 0.0


@dataclass(order=True, slots=True)
class _Job:
    """A queued chunk; sorts by who is served first."""

    urgency: int
    number: int
    chunk: VoicedChunk = field(compare=False)
    lossless: bool = field(compare=False)
    future: "Future[Said]" = field(compare=False)


class SpeechQueue:
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
        self._in_hand = InHand(clock or SystemClock())
        self._thread = threading.Thread(target=self._work, name="speech", daemon=True)
        self._thread.start()

    def submit(self, chunk: VoicedChunk, wait: bool) -> "Future[Said]":
        """Queue ``chunk`` and return where its utterances will be.

        ``wait`` (files): block until there is room for files; the chunk is never dropped. Otherwise (live): return at
        once; a chunk that gives way gets the result ``()``. A closed queue returns a cancelled Future, and one whose
        recogniser failed carries its error.
        """
        future: Future[Said] = Future()
        with self._changed:
            self._changed.wait_for(lambda: not wait or self._closed or self._has_room_for_a_file())
            if self._closed:
                future.cancel()
                return future
            self._number += 1
            heapq.heappush(self._jobs, _Job(-chunk.priority, self._number, chunk, wait, future))
            victim = self._yield_one() if len(self._jobs) > self._capacity else None
            self._changed.notify_all()
        if victim is not None and victim.future.set_running_or_notify_cancel():
            victim.future.set_result(())  # outside the lock: its callbacks run here
        return future

    def snapshot(self) -> SpeechSnapshot:
        """Return the counters."""
        with self._changed:
            counted = (dict(self._dropped), self._failed, self._audio_s, self._busy_s)
            return SpeechSnapshot(len(self._jobs), *counted, self._in_hand.seconds)

    def close(self, drain: bool = True, timeout_s: float | None = None) -> bool:
        """Take no more; finish what is queued (``drain``) or cancel it; return whether the work ended in time.

        The chunk in work is always finished: Whisper cannot be interrupted.
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
        """Tell whether files fill less than half. Called with the lock held."""
        return 2 * sum(job.lossless for job in self._jobs) < self._capacity

    def _yield_one(self) -> _Job:
        """Take out the least important, then oldest chunk that may be dropped. Called with the lock held."""
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
                with self._in_hand:
                    self._transcribe(job)

    def _transcribe(self, job: _Job) -> None:
        try:
            said = self._recognizer.transcribe(job.chunk)
        except Exception as error:  # whoever waits for this chunk gets it; the next camera's chunk goes on
            with self._changed:
                self._failed += 1
            job.future.set_exception(error)
            return
        with self._changed:
            self._audio_s += len(job.chunk.samples) / SAMPLE_RATE_HZ
            self._busy_s += self._in_hand.seconds
        job.future.set_result(said)
