"""A service that takes a question and never answers: a stream waits for so long, and is then started anew."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest

from alignment.types import F32
from daemon.runtime.local import LocalStream
from daemon.service.supervisor import Supervisor
from tests.support.streams.load import RED, PacedCamera
from tests.support.streams.pipelines import ColourEncoder, MemorySink, services_of, write_colours
from workers.clock import SystemClock
from workers.errors import ServiceUnresponsive
from workers.models.options import EncoderOptions
from workers.redaction import RedactedUrl
from workers.services import clients as services
from workers.services.aligner_options import AlignerOptions
from workers.services.clients import StreamServices, result_of
from workers.services.settings import ServiceSettings
from workers.services.state import StateService
from workers.sources.base import SourceBuilder
from workers.sources.factory import build_source
from workers.stream.worker import StreamWorker
from workers.types import U8, CameraSpec, EventSpec

pytestmark = pytest.mark.realtime

SETTINGS = ServiceSettings(EncoderOptions(), None, AlignerOptions("similarity"))


class SilentEncoder(ColourEncoder):
    """Does not answer while ``silent``."""

    silent = True

    def encode_frames(self, frames: U8) -> "Future[F32]":
        answer = super().encode_frames(frames)
        return Future() if self.silent else answer


class Streams:
    """A runtime of real streams, whose encoder may be silent."""

    def __init__(self) -> None:
        self.encoder, self.sink = SilentEncoder(), MemorySink()

    def start_stream(self, camera: CameraSpec, events: tuple[EventSpec, ...]) -> LocalStream:
        return LocalStream(StreamWorker(camera, events, SETTINGS, services_of(self.encoder, self.sink)))


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "RESPONSE_TIMEOUT_S", 0.3)


def test_what_is_not_answered_is_told_by_code_and_hint() -> None:
    with pytest.raises(ServiceUnresponsive, match="no response from the encoder for 0 s") as caught:
        result_of(Future(), "encoder")
    assert (caught.value.code, caught.value.retryable) == ("service_unresponsive", True)
    assert "restarted" in caught.value.hint


def test_a_time_limit_of_the_services_own_is_no_silence() -> None:
    answer: Future[int] = Future()
    answer.set_exception(TimeoutError("its disk"))
    with pytest.raises(TimeoutError, match="its disk"):
        result_of(answer, "encoder")


def live(camera: CameraSpec, *_: object) -> PacedCamera:
    return PacedCamera(camera, 0.0, 3.0, SystemClock())


@pytest.mark.parametrize("build", [build_source, live])
def test_a_stream_asks_once_and_fails(build: SourceBuilder, tmp_path: Path) -> None:
    path = write_colours(tmp_path / "a.mp4", [("red", 6)])
    url = path if build is build_source else "rtsp://host/a"
    encoder = SilentEncoder()
    camera = CameraSpec("cam", RedactedUrl(str(url)), fps=4.0, audio=False)
    stream = StreamWorker(camera, (RED,), SETTINGS, StreamServices(encoder, MemorySink(), StateService(), build))
    stream.start()
    assert stream.join(20)
    snapshot = stream.snapshot()
    assert encoder.calls < 5  # what was read ahead; none a second time
    assert snapshot.error
    assert snapshot.error.startswith("service_unresponsive: no response from the encoder")
    assert not any(snapshot.source.dropped.values()), "no frame is given up for it"


def tag(path: Path, silent: bool) -> list[tuple[object, ...]]:
    """Watch a file, with an encoder that is silent until the stream was started again; return its events."""
    runtime = Streams()
    runtime.encoder.silent = silent
    supervisor = Supervisor(runtime)  # it asks for nothing but streams
    supervisor.watch(CameraSpec("cam", RedactedUrl(str(path)), audio=False), (RED,))
    (watched,) = supervisor.cameras
    until(lambda: supervisor.step() or watched.restarts == int(silent))
    runtime.encoder.silent = False
    until(lambda: supervisor.step() or watched.done)
    assert watched.snapshot.state == "finished"
    return [(e.id, e.type, e.start, e.end, e.score) for e in runtime.sink.events]


def test_the_stream_is_started_anew_and_a_file_gives_the_same_events(tmp_path: Path) -> None:
    path = write_colours(tmp_path / "a.mp4", [("grey", 4), ("red", 6), ("grey", 4)])
    calm = tag(path, silent=False)
    assert calm
    assert tag(path, silent=True) == calm
