"""``runtime: local``: a stream that hangs is given up, but its thread wakes up when it has a successor."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from alignment.types import F32
from daemon.runtime.local import LocalStream
from daemon.service.supervisor import Supervisor
from tests.support.clocks import FastClock, wait_until
from tests.support.serving.redis import BINARIES, Server, settings_of
from tests.support.streams.load import RED, PacedCamera
from tests.support.streams.pipelines import ColourEncoder
from workers.clock import SystemClock
from workers.models.options import EncoderOptions
from workers.publish.log.event_log import EventLog
from workers.publish.redis.sink import RedisSink
from workers.redaction import RedactedUrl
from workers.services.aligner_options import AlignerOptions
from workers.services.clients import StreamServices
from workers.services.settings import ServiceSettings
from workers.services.state import StateService
from workers.stream.worker import StreamWorker
from workers.types import U8, CameraSpec, EventSpec, FrameSpec

pytestmark = pytest.mark.process

CAMERA = CameraSpec("cam", RedactedUrl("rtsp://host/a"), fps=4.0, audio=False, stall_timeout_s=1.0)
SETTINGS = ServiceSettings(EncoderOptions(), None, AlignerOptions("similarity"))
SPEED = 8.0  # of the supervisor's clock


class HangingEncoder(ColourEncoder):
    """Gives no answer while it hangs, and all of them afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = False
        self._owed: list[tuple[Future[F32], F32]] = []

    def encode_frames(self, frames: U8) -> "Future[F32]":
        answer = super().encode_frames(frames)
        if not self.hangs:
            return answer
        owed: Future[F32] = Future()
        self._owed.append((owed, answer.result()))
        return owed

    def wake(self) -> None:
        self.hangs = False
        for future, answer in self._owed:
            future.set_result(answer)


class Streams:
    """The part of the local runtime that starts streams: of a red camera."""

    def __init__(self, encoder: ColourEncoder, sink: RedisSink) -> None:
        self.workers: list[StreamWorker] = []
        self._services = StreamServices(encoder, sink, StateService(), self._build)

    def start_stream(self, camera: CameraSpec, events: tuple[EventSpec, ...]) -> LocalStream:
        self.workers.append(StreamWorker(camera, events, SETTINGS, self._services))
        return LocalStream(self.workers[-1])

    def _build(self, camera: CameraSpec, frames: FrameSpec, clock: object) -> PacedCamera:
        return PacedCamera(camera, 0.0, 1000.0, SystemClock())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    running = Server(BINARIES["valkey"] or "", folder).start()
    yield running
    running.kill()


def test_a_thread_that_wakes_up_ends_no_event_again(server: Server, tmp_path: Path) -> None:
    encoder, sink = HangingEncoder(), RedisSink(settings_of(server.url), EventLog(tmp_path / "log"))
    streams = Streams(encoder, sink)
    supervisor = Supervisor(streams, FastClock(SPEED), raise_illegal=True)  # all that it needs of a runtime

    def bodies(kind: str) -> list[dict]:
        supervisor.step()
        time.sleep(0.1)
        return [json.loads(v["body"]) for _, v in server.client.xrange("watchword:events") if v["type"] == kind]

    supervisor.watch(CAMERA, (RED,))
    wait_until(lambda: bool(bodies("new")), 30)
    encoder.hangs = True
    wait_until(lambda: any(body.get("interrupted") for body in bodies("end")), 60)
    given_up = next(b["id"] for b in bodies("end") if b.get("interrupted"))
    encoder.wake()
    assert all(worker.join(30) for worker in streams.workers[:-1])
    assert supervisor.drain(SPEED * 30)
    assert sink.flush(10)
    sink.close()
    assert [b["id"] for b in bodies("end")].count(given_up) == 1
    told = [(b["id"], b["revision"]) for kind in ("new", "update", "end") for b in bodies(kind)]
    assert len(set(told)) == len(told)
