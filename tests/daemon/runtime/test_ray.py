"""What the runtime on Ray does about services."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from structlog.testing import capture_logs

from daemon.runtime.ray import RESTARTED, RayRuntime, Service
from tests.support.clocks import wait_until
from workers.actors.clients import RayTransport
from workers.actors.service import RetryingService
from workers.actors.shells import ServiceActor, SpeechActor
from workers.audio.transcription_queue import TranscriptionQueue
from workers.errors import ModelUnavailable
from workers.services.proxies import SpeechProxy
from workers.services.settings import ServiceSettings
from workers.types import SAMPLE_RATE_HZ, Utterance, VoicedChunk

CHUNK = VoicedChunk("door", 0, 0.0, np.zeros(SAMPLE_RATE_HZ, np.float32), 5)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    RayRuntime(ServiceSettings())._init()
    yield
    ray.shutdown()


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
def test_a_service_whose_model_hangs_is_replaced_though_it_answers_and_is_asked_again(tmp_path: Path) -> None:
    class Recognizer:
        """Hangs at its first piece of work."""

        def transcribe(self, chunk: VoicedChunk) -> tuple[Utterance, ...]:
            try:
                (tmp_path / "hung").touch(exist_ok=False)
            except FileExistsError:
                return (Utterance(0.0, 1.0, "help", 0.9, "en"),)
            threading.Event().wait()
            raise AssertionError

    class Hearing(SpeechActor):
        def __init__(self) -> None:
            queue = RetryingService(lambda: TranscriptionQueue(Recognizer()), stalled_s=1.0)
            ServiceActor.__init__(self, speech=queue)

    actor = ray.remote(num_cpus=0, **RESTARTED)(Hearing).remote()
    service = Service("speech", actor)
    answer = SpeechProxy(RayTransport(actor, "speech")).submit(CHUNK, True)
    wait_until(lambda: (tmp_path / "hung").exists(), 60)
    wait_until(lambda: service.snapshot() is not None)
    assert not answer.done()
    wait_until(lambda: service.snapshot() is None, 10)
    wait_until(lambda: service.snapshot() is not None and answer.done(), 60)
    assert [said.text for said in answer.result()] == ["help"]


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
def test_a_service_that_cannot_load_after_its_restart_ends_nothing_and_is_tried_again(tmp_path: Path) -> None:
    def recognizer() -> Any:
        if (tmp_path / "taken").exists():
            raise ModelUnavailable("no room on the GPU")
        return object()

    class Hearing(SpeechActor):
        def __init__(self) -> None:
            queue = RetryingService(lambda: TranscriptionQueue(recognizer()), again_s=0.1)
            ServiceActor.__init__(self, speech=queue)

    actor = ray.remote(num_cpus=0, **RESTARTED)(Hearing).remote()
    service = Service("speech", actor)
    wait_until(lambda: service.snapshot() is not None, 60)
    (tmp_path / "taken").touch()
    ray.kill(actor, no_restart=False)
    with capture_logs() as told:
        wait_until(lambda: service.snapshot() is None and bool(told), 60)
        for _ in range(50):
            service.snapshot()
            time.sleep(0.01)
    assert [line["error"] for line in told] == [str(ModelUnavailable("no room on the GPU"))]
    (tmp_path / "taken").unlink()
    wait_until(lambda: service.snapshot() is not None, 10)
