"""One encoder for all streams of a process: passes of known sizes, and what happens when a GPU is full or fails."""

import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from alignment.lexicon import things
from tests.support.streams.pipelines import ColourEncoder
from workers.errors import ModelUnavailable
from workers.models.options import EncoderOptions
from workers.services import encoder as encoder_service
from workers.services.encoder import EncoderService


class Gpu:
    """An encoder as of a GPU; it notes the sizes of its passes."""

    space_file = None

    def __init__(self, options: EncoderOptions) -> None:
        described = ColourEncoder().describe()
        self.info, self.frame_spec = replace(described.info, device="cuda"), described.frame_spec
        self.calibration, self.sizes, self.threads = described.calibration, list[int](), set[str]()

    def encode_frames(self, frames: np.ndarray) -> np.ndarray:
        self.sizes.append(len(frames))
        self.threads.add(threading.current_thread().name)
        return frames.reshape(len(frames), -1)[:, :3].astype(np.float32)

    def encode_sentences(self, texts: list[str]) -> np.ndarray:
        return np.zeros((len(texts), 3), np.float32)


class FullGpu(Gpu):
    """One without room for more than eight frames."""

    def encode_frames(self, frames: np.ndarray) -> np.ndarray:
        if len(frames) > 8:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has …")
        return super().encode_frames(frames)


class FailingGpu(Gpu):
    """One that fails once it is warm."""

    def encode_frames(self, frames: np.ndarray) -> np.ndarray:
        if frames.any():
            raise torch.AcceleratorError("CUDA error: unspecified launch failure\nCompile with …")
        return super().encode_frames(frames)


def test_passes_have_sizes_that_their_thread_has_run_at_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_service, "load_encoder", Gpu)
    service = EncoderService(EncoderOptions(batch_size=12))
    frames = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
    for count in (1, 2, 3, 5, 12, 20):
        rows = service.encode_frames(frames[:count]).result()
        np.testing.assert_array_equal(rows, frames[:count].reshape(count, -1)[:, :3])
    service.close()
    assert isinstance(service._encoder, Gpu)
    assert isinstance(service._encoder, Gpu)
    assert service._encoder.sizes == [12, 6, 3, 1, *(1, 3, 3, 6, 12, 20)]
    assert service._encoder.threads == {"encoder"}, "each thread chooses its kernels anew"


def test_frames_are_named_by_the_nearest_of_the_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_service, "load_encoder", Gpu)
    service = EncoderService(EncoderOptions(batch_size=12))
    vocabulary = np.random.default_rng(0).standard_normal((len(things()), 3)).astype(np.float32)
    vocabulary /= np.linalg.norm(vocabulary, axis=1, keepdims=True)
    monkeypatch.setattr(service._encoder, "vocabulary", vocabulary, raising=False)
    assert service.nearest_name(vocabulary[[7, 7]]) == things()[7].name
    monkeypatch.setattr(service._encoder, "vocabulary", vocabulary[:0])
    assert service.nearest_name(vocabulary[:1]) == ""
    service.close()


@pytest.mark.process
def test_a_gpu_that_fails_ends_the_process_for_others_to_start_it_again() -> None:
    code = f"import sys; sys.path[:0] = {sys.path}; from tests.workers.services.test_encoder import fail; fail()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "the GPU failed and this process ends" in done.stdout + done.stderr
    assert "unspecified launch failure" in done.stdout + done.stderr
    assert "still here" not in done.stdout


def fail() -> None:
    """Lose the GPU in mid-work."""
    encoder_service.load_encoder = FailingGpu  # type: ignore[assignment,attr-defined]
    service = EncoderService(EncoderOptions(batch_size=4))
    service.encode_frames(np.full((1, 32, 32, 3), 9, np.uint8)).exception(timeout=30)
    print("still here")


def test_a_batch_that_does_not_fit_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_service, "load_encoder", FullGpu)
    with pytest.raises(ModelUnavailable, match=r"does not fit into the GPU's memory: CUDA out of memory —") as raised:
        EncoderService(EncoderOptions(batch_size=16))
    assert "lower models.batch_size" in raised.value.hint
