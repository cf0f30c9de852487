"""One stream from a real file to its events."""

import hashlib
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alignment.aligners.similarity import SimilarityAligner
from alignment.aligners.trained.cross_attention import CrossAttentionAligner
from alignment.aligners.trained.network import CrossAttention
from alignment.types import F32
from tests.support.events import validate_body
from tests.support.streams.pipelines import ColourEncoder, MemorySink, done, services_of
from workers.clock import SystemClock
from workers.events.event import Event
from workers.events.evidence import pictured_event
from workers.redaction import RedactedUrl
from workers.services.settings import ServiceSettings
from workers.services.state import StateService
from workers.sources.factory import build_source
from workers.stream.embedding import Embedder
from workers.stream.pipeline import StreamPipeline
from workers.stream.requests import FILE_IN_FLIGHT, Requests
from workers.types import U8, CameraSpec, EventSpec, FrameSpec, Zone

pytestmark = pytest.mark.timeout(60)  # loads models, or trains

RED = EventSpec("red", ("red",))
BLUE = EventSpec("blue", ("blue",))
SCENES = [("grey", 4), ("red", 6), ("grey", 6), ("blue", 5), ("grey", 4), ("red", 5)]


def pipeline(path: Path, encoder: ColourEncoder | None = None, sink: MemorySink | None = None, **changes: Any):
    encoder, sink = encoder or ColourEncoder(), sink or MemorySink()
    results = changes.pop("results", False)
    camera = CameraSpec("cam", RedactedUrl(str(path)), fps=changes.pop("fps", 1.0), audio=False, results=results)
    events = changes.pop("events", (RED, BLUE))
    description = encoder.describe()
    aligner = changes.pop("aligner", SimilarityAligner)(description.calibration)
    settings = ServiceSettings(config_hash=changes.pop("config_hash", "cfg"), **changes)
    source = build_source(camera, description.frame_spec)
    services = services_of(encoder, sink, state=StateService.of(settings))
    return StreamPipeline(camera, events, source, aligner, services, settings), sink


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


def test_every_event_of_a_file_says_which(colour_video: Callable[..., Path]) -> None:
    path = colour_video(SCENES)
    stream, sink = pipeline(path)
    stream.run()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (source,) = {event.source for event in sink.events}
    assert source is not None
    assert (source.file, source.name, source.sha256) == (str(path), path.name, digest)
    assert source.duration == pytest.approx(30, abs=0.2)
    assert stream.snapshot().results is None  # nobody asked for them


def test_results_are_whole_also_where_the_same_content_was_published_before(colour_video: Callable[..., Path]) -> None:
    sink = MemorySink()
    for _ in range(2):
        stream, _ = pipeline(colour_video(SCENES), sink=sink, results=True)
        stream.run()
        results = stream.snapshot().results
        assert results is not None
        assert [(e.event, e.type) for e in results.events] == [("red", "end"), ("blue", "end"), ("red", "end")]


def test_a_reader_that_is_abandoned_reads_to_the_end_without_waiting_for_answers(
    colour_video: Callable[..., Path],
) -> None:
    encoder = ColourEncoder()
    camera = CameraSpec("cam", RedactedUrl(str(colour_video(SCENES))), fps=10.0, audio=False)
    source = build_source(camera, encoder.describe().frame_spec)
    requests = Requests(source, False, Embedder("cam", False, encoder, None, SystemClock()), None, lambda _: None)
    requests.start()
    while encoder.calls < FILE_IN_FLIGHT:
        time.sleep(0.01)
    time.sleep(0.3)
    assert (requests.reading, encoder.calls) == (True, FILE_IN_FLIGHT)
    source.stop = lambda: None  # type: ignore[method-assign]  # or it would end at once
    began = time.thread_time()
    requests.close()
    assert time.thread_time() - began < 0.05  # it was 0.2 s
    assert not requests.reading
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


def test_ids_do_not_depend_on_other_events_nor_on_the_rest_of_the_configuration(
    colour_video: Callable[..., Path],
) -> None:
    path = colour_video(SCENES)

    def red_ids(*events: EventSpec, config_hash: str = "cfg") -> set[str]:
        stream, sink = pipeline(path, events=events, config_hash=config_hash)
        stream.run()
        return {e.id for e in sink.events if e.event == "red"}

    ids = red_ids(RED)
    assert len(ids) == 2
    assert red_ids(RED, BLUE) == red_ids(RED, config_hash="other") == red_ids(replace(RED, priority=9)) == ids
    for changed in (
        replace(RED, describe=("red", "red")),
        replace(RED, unlike=("blue",)),
        replace(RED, threshold=0.55),
        replace(RED, merge_gap_s=2.0),
    ):
        assert len(red_ids(changed)) == 2
        assert not red_ids(changed) & ids, changed


def test_occurrences_are_all_recorded_unless_a_gap_merges_them(colour_video: Callable[..., Path]) -> None:
    path = colour_video(SCENES)
    stream, sink = pipeline(path)
    stream.run()
    assert [w[0] for w in windows(sink)] == ["blue", "red", "red"]
    assert stream.snapshot().suppressed == {}
    merging, merged = pipeline(path, events=(replace(RED, merge_gap_s=60.0), BLUE))
    merging.run()
    (red,) = [(start, end) for event, start, end in windows(merged) if event == "red"]
    assert red == (pytest.approx(4, abs=0.6), pytest.approx(30, abs=0.6))


def test_a_threshold_and_a_duration_are_obeyed(colour_video: Callable[..., Path]) -> None:
    path = colour_video(SCENES)
    stream, sink = pipeline(path, events=(replace(RED, threshold=1.0), replace(BLUE, min_duration_s=9.0)))
    stream.run()
    assert sink.events == ()


def test_an_event_shows_its_best_frame(colour_video: Callable[..., Path], tmp_path: Path) -> None:
    stream, sink = pipeline(colour_video(SCENES), pictures=tmp_path / "evidence")
    stream.run()
    end = next(e for e in sink.events if e.type == "end" and e.event == "blue")
    with Image.open(end.evidence.snapshot) as picture:
        pixel = picture.resize((1, 1)).getpixel((0, 0))
        assert isinstance(pixel, tuple)
        red, _, blue = pixel
    assert blue > red + 50
    assert end.evidence.top_frames[0][1] > 0.9


def test_an_event_ends_with_a_picture_that_explains_it(colour_video: Callable[..., Path], tmp_path: Path) -> None:
    either = EventSpec("either", ("blue or green",))
    stream, sink = pipeline(colour_video(SCENES), events=(either,), pictures=tmp_path / "evidence")
    stream.run()
    (end,) = [e for e in sink.events if e.type == "end"]
    validate_body(end.to_document())
    evidence = end.evidence
    assert end.source is not None
    assert Path(str(evidence.explanation)).parts[-2:] == ("colours", f"{end.event}-{end.id}.explain.png")
    assert pictured_event(Path(str(evidence.explanation))) == pictured_event(Path(str(evidence.snapshot))) == end.id
    with Image.open(evidence.explanation) as picture:
        shown = np.asarray(picture.convert("RGB")).astype(int)
    bluish = (shown[..., 2] > shown[..., 0] + 120) & (shown[..., 0] < 60)
    assert bluish.sum() > 2 * 32 * 32  # the thumbnails
    (blue, most), (green, least) = evidence.attention
    assert (blue, green, most + least) == ("blue", "green", pytest.approx(1, abs=1e-3))
    assert most > 0.9
    times = [t for t, _ in evidence.timeline]
    assert times[0] < end.start - 5
    assert times[-1] > end.end
    best = sorted(t for t, _ in evidence.top_frames)
    assert all(end.start <= t <= end.end for t in best)
    assert [p.name for p in Path(str(evidence.explanation)).parent.glob("*.part")] == []


def test_every_revision_names_the_picture(colour_video: Callable[..., Path], tmp_path: Path) -> None:
    stream, sink = pipeline(colour_video([("grey", 2), ("red", 45), ("grey", 6)]), pictures=tmp_path)
    stream.run()
    assert {"new", "update", "end"} == {e.type for e in sink.events}
    assert len({e.evidence.explanation for e in sink.events} - {None}) == 1
    assert None not in {e.evidence.explanation for e in sink.events}


def test_a_picture_that_cannot_be_kept_costs_no_event(colour_video: Callable[..., Path], tmp_path: Path) -> None:
    taken = tmp_path / "evidence"
    taken.write_text("a file where the folder should be")
    stream, sink = pipeline(colour_video(SCENES), pictures=taken)
    stream.run()
    assert len(windows(sink)) == 3
    assert {e.evidence.snapshot for e in sink.events} == {None}
    assert {e.evidence.explanation for e in sink.events} == {None}
    assert all(e.evidence.attention for e in sink.events)


def test_rare_frames_are_no_standstill(colour_video: Callable[..., Path]) -> None:
    stream, _ = pipeline(colour_video([("red", 3)]), fps=0.01)
    stream.run()
    assert stream.snapshot().stall_timeout_s == 250.0


def test_a_zone_beside_what_the_model_sees_is_warned_of_and_shows_nothing(colour_video: Callable[..., Path]) -> None:
    encoder = ColourEncoder()
    encoder._encoder.frame_spec = FrameSpec(32, 32, "crop")  # of frames of 64 x 48: the sides are cut off
    beside, within = (((0.0, 0.0), (0.1, 0.0), (0.1, 1.0), (0.0, 1.0)), ((0.2, 0.2), (0.5, 0.2), (0.5, 0.9)))
    events = tuple(
        EventSpec(name, ("red",), zones=(Zone(name, area),)) for name, area in (("a", beside), ("b", within))
    )
    stream, sink = pipeline(colour_video(SCENES), encoder, events=events)
    stream.run()
    (warning,) = [text for text in stream.snapshot().warnings if "zone" in text]
    assert warning.startswith("event 'a' cannot happen: its zone lies beside")
    assert [w[0] for w in windows(sink)] == ["b", "b"]
    assert {e.zone for e in sink.events} == {("b",)}
