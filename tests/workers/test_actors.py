"""What the actor shells add to the classes that they wrap."""

import asyncio
import pickle
import threading

import numpy as np
import pytest
from fake_clock import FakeClock

from alignment.errors import WatchwordError
from alignment.sliding import Unread
from workers.actors import RELOAD_S, EncoderActor, Kept, SpeechActor
from workers.aligners import AlignerOptions, load_network
from workers.encoders.options import EncoderOptions
from workers.errors import ModelUnavailable
from workers.speech_queue import SpeechQueue
from workers.turns import ANYONE
from workers.types import EventSpec, Utterance, VoicedChunk


def test_a_service_that_cannot_load_says_why_and_is_tried_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    def build() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise ModelUnavailable("no weights") if len(tries) == 1 else RuntimeError("device busy")
        return "open"

    clock, tries = FakeClock(), list[int]()
    monkeypatch.setattr("workers.actors.time", clock)
    kept = Kept(build)
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match="no weights"):
            kept()
    clock.sleep(RELOAD_S)
    for _ in range(2):
        with pytest.raises(WatchwordError, match="device busy"):
            kept()
    clock.sleep(RELOAD_S)
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
    actor._queue = Kept(lambda: SpeechQueue(transcriber, capacity=4))

    async def speak() -> None:
        silence = np.zeros(16, np.float32)
        files = [asyncio.create_task(actor.submit(VoicedChunk("file", 0, 0.0, silence, 1), True)) for _ in range(40)]
        while (await actor.snapshot()).depth < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # the others wait for room, each in a thread
        door = asyncio.create_task(actor.submit(VoicedChunk("door", 0, 0.0, silence, 9), False))
        await asyncio.sleep(0)
        transcriber.open.set()
        await asyncio.wait_for(asyncio.gather(door, *files), 30)

    asyncio.run(speak())
    assert len(transcriber.order) == 41
    assert transcriber.order.index("door") <= 2
    assert actor._queue().close()


@pytest.mark.usefixtures("one_core")
def test_streams_are_not_sent_all_that_the_encoder_knows_by_name() -> None:
    actor = EncoderActor(EncoderOptions(threads=1), AlignerOptions())
    cat = EventSpec("cat", ("a cat",))
    (sent,) = asyncio.run(actor.build_queries([cat], ANYONE))
    (whole,) = actor._service().build_queries([cat])
    assert len(pickle.dumps(sent)) < 20_000 < 1_000_000 < len(pickle.dumps(whole))
    np.testing.assert_array_equal(sent.vision, whole.vision)

    async def ask() -> np.ndarray:
        """Return what the network thinks, which looks at the names."""
        await actor.begin("here", [sent], ANYONE)
        return (await actor.read("here", unread)).seen

    unread = Unread(0, sent.vision, np.ones(1, bool))
    own = load_network(AlignerOptions(), actor._service().describe().calibration)
    (expected,) = own.read([(own.remember([whole]), unread)])
    np.testing.assert_allclose(asyncio.run(ask()), expected.seen, atol=1e-5)
    actor._network.close()
    actor._service().close()
