"""What the actor shells add to the classes that they wrap."""

import asyncio
import pickle
import threading
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from alignment.aligners.trained.incremental import WindowDelta
from alignment.errors import WatchwordError
from tests.support.clocks import FakeClock
from workers.actors.service import RETRY_S, RetryingService
from workers.actors.shells import EncoderActor, ServiceActor, SpeechActor
from workers.audio.transcription_queue import TranscriptionQueue
from workers.errors import ModelUnavailable
from workers.models.options import EncoderOptions
from workers.services.aligner_options import AlignerOptions, load_network
from workers.services.scheduler import DEFAULT_CONTEXT
from workers.types import EventSpec, Utterance, VoicedChunk


def test_a_service_that_cannot_load_says_why_and_is_tried_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    def build() -> Any:
        tries.append(1)
        if len(tries) < 3:
            raise ModelUnavailable("no weights") if len(tries) == 1 else RuntimeError("device busy")
        return "open"

    clock, tries = FakeClock(), list[int]()
    monkeypatch.setattr("workers.actors.service.time", clock)
    kept = RetryingService(build)
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match="no weights"):
            kept()
    clock.sleep(RETRY_S)
    for _ in range(2):
        with pytest.raises(WatchwordError, match="device busy"):
            kept()
    clock.sleep(RETRY_S)
    assert [kept(), kept()] == ["open", "open"]
    assert len(tries) == 3


class Transcriber:
    """Writes down whom it heard, once it is let."""

    def __init__(self) -> None:
        self.open, self.order = threading.Event(), list[str]()

    def transcribe(self, chunk: VoicedChunk) -> tuple[Utterance, ...]:
        assert self.open.wait(30)
        self.order.append(chunk.camera)
        return ()


def test_a_camera_does_not_wait_for_threads_that_files_hold() -> None:
    transcriber = Transcriber()
    actor = SpeechActor.__new__(SpeechActor)
    ServiceActor.__init__(actor, speech=RetryingService(lambda: TranscriptionQueue(transcriber, capacity=4)))

    def submit(chunk: VoicedChunk, wait: bool) -> Coroutine[Any, Any, Any]:
        return actor.call("speech", "submit", chunk, wait)

    async def speak() -> None:
        silence = np.zeros(16, np.float32)
        files = [asyncio.create_task(submit(VoicedChunk("file", 0, 0.0, silence, 1), True)) for _ in range(40)]
        while (await actor.snapshot())["speech"].depth < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # the others wait for room, each in a thread
        door = asyncio.create_task(submit(VoicedChunk("door", 0, 0.0, silence, 9), False))
        await asyncio.sleep(0)
        transcriber.open.set()
        await asyncio.wait_for(asyncio.gather(door, *files), 30)

    asyncio.run(speak())
    assert len(transcriber.order) == 41
    assert transcriber.order.index("door") <= 2
    assert actor._services["speech"]().close()


@pytest.mark.timeout(60)  # loads models
def test_streams_are_not_sent_all_that_the_encoder_knows_by_name() -> None:
    actor = EncoderActor(EncoderOptions(threads=1), AlignerOptions())
    cat = EventSpec("cat", ("a cat", "一只猫"))
    encoder, network = actor._services["encoder"], actor._services["aligner"]
    (sent,) = asyncio.run(actor.call("encoder", "build_queries", [cat], DEFAULT_CONTEXT))
    assert sent.read_as == ("a cat", "a cat")
    whole = replace(sent, vocabulary=encoder().vocabulary)
    assert len(pickle.dumps(sent)) < 100_000 < 1_000_000 < len(pickle.dumps(whole))

    async def ask() -> np.ndarray:
        """Return what the network thinks, which looks at the names."""
        await actor.call("aligner", "begin", "here", [sent], DEFAULT_CONTEXT)
        return (await actor.call("aligner", "read", "here", unread)).seen

    unread = WindowDelta(0, sent.vision[:1], np.ones(1, bool))
    own = load_network(AlignerOptions(), encoder().describe().calibration)
    (expected,) = own.read([(own.remember([whole]), unread)])
    np.testing.assert_allclose(asyncio.run(ask()), expected.seen, atol=1e-5)
    network().close()
    encoder().close()
