"""A stream whose encoder, source, file or event log fails: nothing is lost, and what is open is closed."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignment.aligners.similarity import SimilarityAligner
from alignment.types import F32
from tests.support.streams.pipelines import COLOURS, ColourEncoder, MemorySink, services_of
from tests.workers.stream.test_pipeline import RED, SCENES, pipeline, windows
from workers.errors import EventLogError, ModelUnavailable, ServiceLost, SourceInvalid
from workers.events.event import Event
from workers.redaction import RedactedUrl
from workers.sources.factory import build_source
from workers.stream.pipeline import StreamPipeline
from workers.types import U8, CameraSpec, FrameBatch, Receipt, SourceInfo

pytestmark = pytest.mark.timeout(60)  # loads models, or trains


def test_an_unreadable_file_raises_and_publishes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("this is no video")
    stream, sink = pipeline(path)
    with pytest.raises(SourceInvalid):
        stream.run()
    assert sink.events == ()


class FlakyEncoder(ColourEncoder):
    """Loses the question every third time, as a restarted actor does."""

    def encode_frames(self, frames: U8) -> "Future[F32]":
        if self.calls % 3 == 1:
            self.calls += 1
            lost: Future[F32] = Future()
            lost.set_exception(ServiceLost("an actor died"))
            return lost
        return super().encode_frames(frames)


def test_a_lost_encoder_loses_no_frame(colour_video: Callable[..., Path]) -> None:
    path = colour_video(SCENES)
    stream, calm = pipeline(path)
    stream.run()
    stream, sink = pipeline(path, FlakyEncoder())
    stream.run()
    assert [(e.id, e.revision) for e in sink.events] == [(e.id, e.revision) for e in calm.events]


class RefusingEncoder(ColourEncoder):
    """Cannot even be asked a second time, as one that was closed."""

    def encode_frames(self, frames: U8) -> "Future[F32]":
        if self.calls:
            raise ModelUnavailable("the encoder has been closed")
        return super().encode_frames(frames)


def test_an_encoder_that_cannot_be_asked_ends_the_stream(colour_video: Callable[..., Path]) -> None:
    stream, sink = pipeline(colour_video([("red", 40)]), RefusingEncoder())
    failures: list[BaseException] = []

    def run() -> None:
        try:
            stream.run()
        except ModelUnavailable as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(5)
    assert failures
    assert [e.type for e in sink.events] == ["new", "end"]  # what was open is closed before the error is told


class BrokenEncoder(ColourEncoder):
    """Answers every question with an error."""

    def encode_frames(self, frames: U8) -> "Future[F32]":
        broken: Future[F32] = Future()
        broken.set_exception(ModelUnavailable("broken"))
        return broken


class SlowSource:
    """One frame, then a read that ends only a while after it was told to."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.reading = self.closed_while_reading = False

    def open(self) -> SourceInfo:
        return SourceInfo("key", False, True, False)

    def items(self) -> Iterator[FrameBatch]:
        self.reading = True
        yield FrameBatch("cam", 0, np.zeros(1), np.zeros(1), np.zeros((1, 32, 32, 3), np.uint8))
        self.stopped.wait(5)
        time.sleep(0.3)
        self.reading = False

    def stop(self) -> None:
        self.stopped.set()

    def close(self) -> None:
        self.closed_while_reading |= self.reading


def test_no_source_is_closed_while_it_is_read() -> None:
    encoder, source = BrokenEncoder(), SlowSource()
    aligner = SimilarityAligner(encoder.describe().calibration)
    camera = CameraSpec("cam", RedactedUrl("/videos/a.mp4"), audio=False)
    services = services_of(encoder, MemorySink())
    with pytest.raises(ModelUnavailable):
        StreamPipeline(camera, (RED,), source, aligner, services).run()  # type: ignore[arg-type]  # no snapshot is taken
    assert not source.closed_while_reading


class FailingEncoder(ColourEncoder):
    """Fails with an error that nobody expects after some red frames."""

    def encode_frames(self, frames: U8) -> "Future[F32]":
        if self.calls < 8:
            return super().encode_frames(frames)
        failed: Future[F32] = Future()
        failed.set_exception(RuntimeError("device lost"))
        return failed


class LiveSource(SlowSource):
    """A red frame a second, from a camera."""

    def open(self) -> SourceInfo:
        return SourceInfo("session", True, True, False)

    def items(self) -> Iterator[FrameBatch]:
        red = np.full((1, 32, 32, 3), COLOURS["red"], np.uint8)
        for t in range(20):
            if not self.stopped.is_set():
                yield FrameBatch("cam", 0, np.array([1e9 + t]), np.array([1e9 + t]), red)


def test_a_live_stream_that_fails_closes_what_is_open() -> None:
    encoder, sink = FailingEncoder(), MemorySink()
    aligner = SimilarityAligner(encoder.describe().calibration)
    camera = CameraSpec("cam", RedactedUrl("rtsp://host/a"), audio=False)
    with pytest.raises(RuntimeError, match="device lost"):
        StreamPipeline(camera, (RED,), LiveSource(), aligner, services_of(encoder, sink)).run()  # type: ignore[arg-type]
    assert [e.type for e in sink.events] == ["new", "end"]


class FullSink(MemorySink):
    """Refuses the first two tries, as a full disk does."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0

    def publish(self, events: object) -> tuple[Receipt, ...]:
        if self.refused < 2:
            self.refused += 1
            raise EventLogError("disk full")
        return super().publish(events)  # type: ignore[arg-type]


def test_a_full_event_log_holds_the_stream_but_loses_nothing(colour_video: Callable[..., Path]) -> None:
    stream, sink = pipeline(colour_video(SCENES), sink=FullSink())
    stream.run()
    assert len(windows(sink)) == 3


def test_stop_closes_and_publishes_what_is_open() -> None:
    encoder, sink = ColourEncoder(), MemorySink()
    url = RedactedUrl("synthetic://pattern?seconds=3600&width=64&height=48&fps=10&pace=1")
    camera = CameraSpec("cam", url, fps=10, audio=False)
    description = encoder.describe()
    aligner = SimilarityAligner(description.calibration)
    anything = replace(RED, threshold=0.0001, min_duration_s=0.0)
    source = build_source(camera, description.frame_spec)
    stream = StreamPipeline(camera, (anything,), source, aligner, services_of(encoder, sink))
    thread = threading.Thread(target=stream.run)
    thread.start()
    deadline = threading.Event()
    while not sink.events and thread.is_alive() and not deadline.wait(0.05):
        pass
    stream.stop()
    thread.join(10)
    assert not thread.is_alive()
    last = {e.id: e.type for e in sink.events}
    assert set(last.values()) == {"end"}


def test_waiting_for_room_on_the_disk_is_no_standstill(colour_video: Callable[..., Path]) -> None:
    room = threading.Event()

    class Full(MemorySink):
        def publish(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
            if not room.is_set():
                raise EventLogError("full")
            return super().publish(events)

    stream, sink = pipeline(colour_video(SCENES), sink=Full())
    thread = threading.Thread(target=stream.run)
    thread.start()
    seen: set[float] = set()
    deadline = time.monotonic() + 20
    while len(seen) < 30 and time.monotonic() < deadline:  # it goes on "getting on" though nothing moves
        seen.add(stream.snapshot().progress_wall)
        time.sleep(0.02)
    assert not sink.events
    assert len(seen) == 30
    room.set()
    thread.join(20)
    assert {w[0] for w in windows(sink)} == {"red", "blue"}
