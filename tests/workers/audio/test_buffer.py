import numpy as np

from workers.audio.buffer import AudioBuffer
from workers.types import SAMPLE_RATE_HZ, AudioChunk


def chunk(start_s: float, seconds: float, segment: int = 0, camera: str = "cam") -> AudioChunk:
    samples = np.arange(round(seconds * SAMPLE_RATE_HZ), dtype=np.float32)
    return AudioChunk(camera, segment, start_s, samples)


def started(first: AudioChunk) -> AudioBuffer:
    buffer = AudioBuffer()
    buffer.restart(first)
    buffer.append(first)
    return buffer


def test_samples_keep_their_index_and_time_when_older_ones_are_forgotten() -> None:
    buffer = started(chunk(100.0, 3.0))
    buffer.forget(2 * SAMPLE_RATE_HZ)
    assert buffer.end == 3 * SAMPLE_RATE_HZ
    assert buffer.slice(2 * SAMPLE_RATE_HZ, 2 * SAMPLE_RATE_HZ + 2).tolist() == [32000.0, 32001.0]
    assert buffer.time(2 * SAMPLE_RATE_HZ) == 102.0


def test_only_the_next_sound_of_the_same_epoch_and_camera_continues() -> None:
    buffer = started(chunk(5.0, 1.0))
    assert buffer.continues(chunk(6.0, 1.0))
    assert buffer.continues(chunk(6.01, 1.0)), "rounding of timestamps is no gap"
    assert not buffer.continues(chunk(6.2, 1.0))
    assert not buffer.continues(chunk(5.5, 1.0))
    assert not buffer.continues(chunk(6.0, 1.0, segment=1))
    assert not buffer.continues(chunk(6.0, 1.0, camera="other"))


def test_an_empty_buffer_takes_nothing_for_its_continuation() -> None:
    assert not AudioBuffer().continues(chunk(0.0, 1.0))
