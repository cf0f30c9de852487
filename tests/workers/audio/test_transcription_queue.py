import threading
from collections.abc import Iterator

import numpy as np
import pytest

from tests.support.clocks import FakeClock
from workers.audio.transcription_queue import TranscriptionQueue
from workers.types import SAMPLE_RATE_HZ, Utterance, VoicedChunk

WAIT_S = 10.0  # a bound for failing tests; passing ones never wait for it


class GatedRecognizer:
    """Says the chunk's start; works on one chunk at a time, for two seconds, and only when it is let."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)
        self.order: list[float] = []
        self.clock = FakeClock()

    def transcribe(self, chunk: VoicedChunk) -> tuple[Utterance, ...]:
        self.entered.release()
        assert self.gate.acquire(timeout=WAIT_S)
        self.clock.sleep(2.0)
        self.order.append(chunk.start_s)
        if chunk.start_s < 0:
            raise ValueError("no such time")
        return (Utterance(chunk.start_s, chunk.start_s + 1, f"said {chunk.start_s:g}", 0.9, "en"),)

    def let(self, times: int) -> None:
        self.gate.release(times)


def chunk(start_s: float, priority: int = 5) -> VoicedChunk:
    return VoicedChunk("cam", 0, start_s, np.zeros(4 * SAMPLE_RATE_HZ, np.float32), priority)


@pytest.fixture
def recognizer() -> GatedRecognizer:
    return GatedRecognizer()


@pytest.fixture
def queue(recognizer: GatedRecognizer) -> Iterator[TranscriptionQueue]:
    """A queue for three, whose thread is busy with chunk 0."""
    queue = TranscriptionQueue(recognizer, capacity=3, clock=recognizer.clock)
    queue.submit(chunk(0), wait=False)
    assert recognizer.entered.acquire(timeout=WAIT_S)
    yield queue
    recognizer.let(1000)
    assert queue.close(drain=False, timeout_s=WAIT_S)


def test_the_most_important_is_served_first_then_the_oldest(
    queue: TranscriptionQueue, recognizer: GatedRecognizer
) -> None:
    futures = [queue.submit(chunk(start, p), wait=False) for start, p in ((1, 5), (2, 9), (3, 5))]
    recognizer.let(4)
    assert [f.result(WAIT_S)[0].text for f in futures] == ["said 1", "said 2", "said 3"]
    assert recognizer.order == [0, 2, 1, 3]


def test_live_drops_the_least_important_and_oldest_and_counts_it(
    queue: TranscriptionQueue, recognizer: GatedRecognizer
) -> None:
    first, low_old, low_new = (queue.submit(chunk(i, p), wait=False) for i, p in ((1, 5), (2, 1), (3, 1)))
    fourth = queue.submit(chunk(4, 5), wait=False)
    assert low_old.result(0) == ()
    least = queue.submit(chunk(5, 0), wait=False)
    assert least.result(0) == (), "the new one itself, if it is the least important"
    assert not low_new.done()
    assert queue.snapshot().depth == 3
    assert queue.snapshot().dropped == {"cam": 2}
    recognizer.let(4)
    assert [len(f.result(WAIT_S)) for f in (first, low_new, fourth)] == [1, 1, 1]


def test_what_a_file_said_is_never_dropped(queue: TranscriptionQueue, recognizer: GatedRecognizer) -> None:
    kept = [queue.submit(chunk(i, 1), wait=True) for i in (1, 2)]
    live = queue.submit(chunk(3, 5), wait=False)
    more = queue.submit(chunk(4, 9), wait=False)
    assert live.result(0) == (), "nothing else could give way"
    recognizer.let(4)
    assert [f.result(WAIT_S)[0].text for f in (*kept, more)] == ["said 1", "said 2", "said 4"]
    assert recognizer.order == [0, 4, 1, 2]


def test_a_file_waits_until_there_is_room(queue: TranscriptionQueue, recognizer: GatedRecognizer) -> None:
    for i in (1, 2):
        queue.submit(chunk(i), wait=True)
    results: list[tuple[Utterance, ...]] = []
    submitted = threading.Event()

    def read_file() -> None:
        future = queue.submit(chunk(4), wait=True)
        submitted.set()
        results.append(future.result(WAIT_S))

    reader = threading.Thread(target=read_file)
    reader.start()
    assert not submitted.wait(0.05), "the other half is for live cameras"
    recognizer.let(1)
    assert submitted.wait(WAIT_S), "one chunk was taken, there is room"
    recognizer.let(4)
    reader.join(WAIT_S)
    assert results[0][0].text == "said 4"
    assert queue.snapshot().dropped == {}


def test_a_failure_reaches_who_asked_and_nobody_else(queue: TranscriptionQueue, recognizer: GatedRecognizer) -> None:
    bad, good = queue.submit(chunk(-1), wait=False), queue.submit(chunk(2), wait=False)
    recognizer.let(3)
    with pytest.raises(ValueError, match="no such time"):
        bad.result(WAIT_S)
    assert good.result(WAIT_S)[0].text == "said 2"
    assert queue.snapshot().failed == 1


def test_a_chunk_that_nobody_wants_any_more_is_skipped(queue: TranscriptionQueue, recognizer: GatedRecognizer) -> None:
    unwanted, wanted = queue.submit(chunk(1), wait=False), queue.submit(chunk(2), wait=False)
    assert unwanted.cancel()
    recognizer.let(2)
    wanted.result(WAIT_S)
    assert recognizer.order == [0, 2]


def test_the_snapshot_tells_work_per_sound(queue: TranscriptionQueue, recognizer: GatedRecognizer) -> None:
    assert queue.snapshot().realtime_factor == 0
    last = queue.submit(chunk(1), wait=False)
    assert queue.snapshot().depth == 1
    recognizer.clock.sleep(1.0)
    assert queue.snapshot().in_flight_s == 1.0
    recognizer.let(2)
    last.result(WAIT_S)
    snapshot = queue.snapshot()
    assert (snapshot.depth, snapshot.audio_s, snapshot.busy_s) == (0, 8.0, 5.0)
    assert snapshot.realtime_factor == 0.625


def test_draining_finishes_what_is_queued(queue: TranscriptionQueue, recognizer: GatedRecognizer) -> None:
    future = queue.submit(chunk(1), wait=False)
    assert not queue.close(drain=True, timeout_s=0.01), "the recogniser is still at work"
    recognizer.let(2)
    assert queue.close(drain=True, timeout_s=WAIT_S)
    assert future.result(0)[0].text == "said 1"
    assert queue.submit(chunk(2), wait=True).cancelled()


def test_closing_cancels_what_is_queued_and_lets_waiting_files_go(
    queue: TranscriptionQueue, recognizer: GatedRecognizer
) -> None:
    queued = [queue.submit(chunk(i), wait=True) for i in (1, 2)]
    late: list[bool] = []
    reader = threading.Thread(target=lambda: late.append(queue.submit(chunk(4), wait=True).cancelled()))
    reader.start()
    assert not queue.close(drain=False, timeout_s=0.01), "the chunk in work is finished first"
    reader.join(WAIT_S)
    assert late == [True]
    assert all(future.cancelled() for future in queued)
    recognizer.let(1)
    assert queue.close(drain=False, timeout_s=WAIT_S)
    assert recognizer.order == [0]
