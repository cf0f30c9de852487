"""One stream from a real file to its events."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colour_encoder import COLOURS, ColourEncoder, done
from memory_sink import MemorySink
from PIL import Image
from publish_kit import validate_body

from alignment.cross_attention import CrossAttentionAligner
from alignment.model import CrossAttention
from alignment.similarity import SimilarityAligner
from alignment.types import F32
from workers.clock import SystemClock
from workers.errors import ModelUnavailable, ServiceLost, SourceInvalid, SpoolError
from workers.evidence import EvidenceStore
from workers.pipeline import StreamPipeline, StreamTools
from workers.reading import FILE_IN_FLIGHT, Reader
from workers.redaction import RedactedUrl
from workers.sources.factory import build_source
from workers.types import U8, CameraSpec, Event, EventSpec, FrameBatch, Receipt, SourceInfo

RED = EventSpec("red", ("red",))
BLUE = EventSpec("blue", ("blue",))
SCENES = [("grey", 4), ("red", 6), ("grey", 6), ("blue", 5), ("grey", 4), ("red", 5)]


def pipeline(path: Path, encoder: ColourEncoder | None = None, sink: MemorySink | None = None, **changes: object):
    encoder, sink = encoder or ColourEncoder(), sink or MemorySink()
    camera = CameraSpec("cam", RedactedUrl(str(path)), fps=changes.pop("fps", 1.0), audio=False)
    events = changes.pop("events", (RED, BLUE))
    description = encoder.describe()
    aligner = changes.pop("aligner", SimilarityAligner)(description.calibration)
    tools = StreamTools(encoder, None, aligner, sink, "cfg", **changes)
    source = build_source(camera, description.frame_spec)
    return StreamPipeline(camera, events, source, tools), sink


def windows(sink: MemorySink) -> list[tuple[str, float, float]]:
    last = {e.id: e for e in sink.events}
    return sorted((e.event, e.start, e.end) for e in last.values())


def test_a_file_gives_each_occurrence_once_with_its_times(colour_video: Callable[..., Path]) -> None:
    stream, sink = pipeline(colour_video(SCENES))
    stream.run()
    expected = [("blue", 16, 21), ("red", 4, 10), ("red", 25, 30)]
    assert [w[0] for w in windows(sink)] == [e[0] for e in expected]
    for (_, start, end), (_, s, e) in zip(windows(sink), expected, strict=True):
        assert (start, end) == (pytest.approx(s, abs=0.6), pytest.approx(e, abs=0.6))
    lives: dict[str, list[Event]] = {}
    for event in sink.events:
        lives.setdefault(event.id, []).append(event)
    for life in lives.values():
        assert [e.revision for e in life] == list(range(len(life)))
        assert (life[0].type, life[-1].type) == ("new", "end")
    assert stream.snapshot().state == "finished"


def test_a_reader_that_is_abandoned_reads_to_the_end_without_waiting_for_answers(
    colour_video: Callable[..., Path],
) -> None:
    encoder = ColourEncoder()
    camera = CameraSpec("cam", RedactedUrl(str(colour_video(SCENES))), fps=10.0, audio=False)
    source = build_source(camera, encoder.describe().frame_spec)
    reader = Reader(source, False, encoder, None, None, EvidenceStore(None, "cam"), SystemClock())
    thread = threading.Thread(target=reader.run)
    thread.start()
    while encoder.calls < FILE_IN_FLIGHT:
        time.sleep(0.01)
    thread.join(0.3)
    assert (thread.is_alive(), encoder.calls) == (True, FILE_IN_FLIGHT)
    began = time.thread_time()
    reader.abandon()
    assert time.thread_time() - began < 0.05  # it was 0.2 s
    thread.join(20)
    assert not thread.is_alive()
    assert encoder.calls > 2 * FILE_IN_FLIGHT


@pytest.mark.parametrize("aligner", [SimilarityAligner, partial(CrossAttentionAligner, CrossAttention())])
def test_frames_without_numbers_are_absent_and_counted(colour_video: Callable[..., Path], aligner: Any) -> None:
    class Broken(ColourEncoder):
        def encode_frames(self, frames: U8) -> "Future[F32]":
            rows = super().encode_frames(frames).result()
            blue = frames[:, 0, 0, 2] > 150
            rows[blue, 1] = np.nan
            return done(rows)

    stream, sink = pipeline(colour_video(SCENES), Broken(), aligner=aligner)
    stream.run()
    assert [w[0] for w in windows(sink)] == ["red", "red"]  # and blue is not, nor ends anything
    assert stream.snapshot().source.dropped == {"not_finite": 5}


def test_the_trained_aligner_finds_colours_too(colour_video: Callable[..., Path]) -> None:
    stream, sink = pipeline(colour_video(SCENES), aligner=partial(CrossAttentionAligner, CrossAttention()))
    stream.run()
    expected = [("blue", 16, 21), ("red", 4, 10), ("red", 25, 30)]
    assert [w[0] for w in windows(sink)] == [e[0] for e in expected]
    for (_, start, end), (_, s, e) in zip(windows(sink), expected, strict=True):
        assert (start, end) == (pytest.approx(s, abs=0.6), pytest.approx(e, abs=0.6))


def test_no_event_reaches_beyond_the_media(colour_video: Callable[..., Path]) -> None:
    stream, sink = pipeline(colour_video([("grey", 3), ("red", 3.3)]))
    stream.run()
    ((_, _, end),) = windows(sink)
    assert end <= 6.3


def test_the_same_file_gives_the_same_events_again(colour_video: Callable[..., Path], tmp_path: Path) -> None:
    path = colour_video(SCENES)
    sink = MemorySink()
    pipeline(path, sink=sink)[0].run()
    first = sink.events
    moved = path.rename(tmp_path / "moved.mp4")
    pipeline(moved, sink=sink)[0].run()
    assert sink.events == first
    assert sink.snapshot().duplicates == len(first)


def test_a_cooldown_follows_an_alert_and_is_counted(colour_video: Callable[..., Path]) -> None:
    stream, sink = pipeline(colour_video(SCENES), events=(replace(RED, cooldown_s=60.0), BLUE))
    stream.run()
    assert [w[0] for w in windows(sink)] == ["blue", "red"]
    assert stream.snapshot().suppressed == {"cooldown": 1}


def test_a_threshold_and_a_duration_are_obeyed(colour_video: Callable[..., Path]) -> None:
    path = colour_video(SCENES)
    stream, sink = pipeline(path, events=(replace(RED, threshold=1.0), replace(BLUE, min_duration_s=9.0)))
    stream.run()
    assert sink.events == ()


def test_an_event_shows_its_best_frame(colour_video: Callable[..., Path], tmp_path: Path) -> None:
    stream, sink = pipeline(colour_video(SCENES), evidence_folder=tmp_path / "evidence")
    stream.run()
    end = next(e for e in sink.events if e.type == "end" and e.event == "blue")
    with Image.open(end.body["evidence"]["snapshot"]) as picture:
        red, _, blue = picture.resize((1, 1)).getpixel((0, 0))
    assert blue > red + 50
    assert end.body["evidence"]["top_frames"][0][1] > 0.9


def test_an_event_ends_with_a_picture_that_explains_it(colour_video: Callable[..., Path], tmp_path: Path) -> None:
    either = EventSpec("either", ("blue", "green"))
    stream, sink = pipeline(colour_video(SCENES), events=(either,), evidence_folder=tmp_path / "evidence")
    stream.run()
    (end,) = [e for e in sink.events if e.type == "end"]
    validate_body(end.body)
    evidence = end.body["evidence"]
    assert Path(evidence["explanation"]).name == f"{end.id}.explain.png"
    with Image.open(evidence["explanation"]) as picture:
        shown = np.asarray(picture.convert("RGB")).astype(int)
    bluish = (shown[..., 2] > shown[..., 0] + 120) & (shown[..., 0] < 60)
    assert bluish.sum() > 2 * 32 * 32  # the thumbnails
    (blue, most), (green, least) = evidence["attention"]
    assert (blue, green, most + least) == ("blue", "green", pytest.approx(1, abs=1e-3))
    assert most > 0.9
    times = [t for t, _ in evidence["timeline"]]
    assert times[0] < end.start - 5
    assert times[-1] > end.end
    best = sorted(t for t, _ in evidence["top_frames"])
    assert all(end.start <= t <= end.end for t in best)
    assert [p.name for p in Path(evidence["explanation"]).parent.glob("*.part")] == []


def test_every_revision_names_the_picture(colour_video: Callable[..., Path], tmp_path: Path) -> None:
    stream, sink = pipeline(colour_video([("grey", 2), ("red", 45), ("grey", 6)]), evidence_folder=tmp_path)
    stream.run()
    assert {"new", "update", "end"} == {e.type for e in sink.events}
    assert len({e.body["evidence"]["explanation"] for e in sink.events} - {None}) == 1
    assert None not in {e.body["evidence"]["explanation"] for e in sink.events}


def test_a_picture_that_cannot_be_kept_costs_no_event(colour_video: Callable[..., Path], tmp_path: Path) -> None:
    taken = tmp_path / "evidence"
    taken.write_text("a file where the folder should be")
    stream, sink = pipeline(colour_video(SCENES), evidence_folder=taken)
    stream.run()
    assert len(windows(sink)) == 3
    assert {e.body["evidence"]["snapshot"] for e in sink.events} == {None}
    assert {e.body["evidence"]["explanation"] for e in sink.events} == {None}
    assert all(e.body["evidence"]["attention"] for e in sink.events)


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
    tools = StreamTools(encoder, None, SimilarityAligner(encoder.describe().calibration), MemorySink())
    camera = CameraSpec("cam", RedactedUrl("/videos/a.mp4"), audio=False)
    with pytest.raises(ModelUnavailable):
        StreamPipeline(camera, (RED,), source, tools).run()  # type: ignore[arg-type]  # no snapshot is taken
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
    tools = StreamTools(encoder, None, SimilarityAligner(encoder.describe().calibration), sink)
    camera = CameraSpec("cam", RedactedUrl("rtsp://host/a"), audio=False)
    with pytest.raises(RuntimeError, match="device lost"):
        StreamPipeline(camera, (RED,), LiveSource(), tools).run()  # type: ignore[arg-type]  # as above
    assert [e.type for e in sink.events] == ["new", "end"]


def test_rare_frames_are_no_standstill(colour_video: Callable[..., Path]) -> None:
    stream, _ = pipeline(colour_video([("red", 3)]), fps=0.01)
    stream.run()
    assert stream.snapshot().stall_timeout_s == 250.0


class FullSink(MemorySink):
    """Refuses the first two tries, as a full disk does."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0

    def publish(self, events: object) -> tuple[Receipt, ...]:
        if self.refused < 2:
            self.refused += 1
            raise SpoolError("disk full")
        return super().publish(events)  # type: ignore[arg-type]


def test_a_full_spool_holds_the_stream_but_loses_nothing(colour_video: Callable[..., Path]) -> None:
    stream, sink = pipeline(colour_video(SCENES), sink=FullSink())
    stream.run()
    assert len(windows(sink)) == 3


def test_stop_closes_and_publishes_what_is_open() -> None:
    encoder, sink = ColourEncoder(), MemorySink()
    url = RedactedUrl("synthetic://pattern?seconds=3600&width=64&height=48&fps=10&pace=1")
    camera = CameraSpec("cam", url, fps=10, audio=False)
    description = encoder.describe()
    tools = StreamTools(encoder, None, SimilarityAligner(description.calibration), sink, "cfg")
    anything = replace(RED, threshold=0.0001, min_duration_s=0.0)
    stream = StreamPipeline(camera, (anything,), build_source(camera, description.frame_spec), tools)
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
                raise SpoolError("full")
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
