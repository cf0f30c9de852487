"""One stream from a real file to its events."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from colour_encoder import ColourEncoder
from PIL import Image

from alignment.similarity import SimilarityAligner
from alignment.types import F32
from workers.errors import ServiceLost, SourceInvalid, SpoolError
from workers.pipeline import StreamPipeline, StreamTools
from workers.publish.memory import MemorySink
from workers.redaction import RedactedUrl
from workers.sources.factory import build_source
from workers.types import U8, CameraSpec, Event, EventSpec, Receipt

RED = EventSpec("red", ("red",))
BLUE = EventSpec("blue", ("blue",))
SCENES = [("grey", 4), ("red", 6), ("grey", 6), ("blue", 5), ("grey", 4), ("red", 5)]


def pipeline(path: Path, encoder: ColourEncoder | None = None, sink: MemorySink | None = None, **changes: object):
    encoder, sink = encoder or ColourEncoder(), sink or MemorySink()
    camera = CameraSpec("cam", RedactedUrl(str(path)), audio=False)
    events = changes.pop("events", (RED, BLUE))
    description = encoder.describe()
    tools = StreamTools(encoder, None, SimilarityAligner(description.calibration), sink, "cfg", **changes)
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
