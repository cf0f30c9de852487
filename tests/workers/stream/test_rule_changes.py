"""Rules that change while a stream runs: from the next clip on, and spans of the rules that stay are left alone."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignment.aligners.similarity import SimilarityAligner
from alignment.types import EventQuery
from tests.support.streams.pipelines import SAMPLE, ColourEncoder, MemorySink, done, services_of, write_colours
from workers.decisions.stream_rules import RulesOrder
from workers.events.event import Event
from workers.redaction import RedactedUrl
from workers.services.clients import SpeechClient, StateClient
from workers.services.settings import ServiceSettings
from workers.sources.factory import build_source
from workers.stream.pipeline import StreamPipeline
from workers.types import U8, AudioChunk, CameraSpec, EventSpec, FrameBatch, SourceItem, Utterance, VoicedChunk, Zone

RED, BLUE = EventSpec("red", ("red",)), EventSpec("other", ("blue",))
LEFT = Zone("left", ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)))
FILE = [("grey", 4.0), ("red", 12.0), ("grey", 4.0), ("blue", 10.0), ("grey", 4.0)]


class Stepped:
    """A source that gives single frames, and audio, up to a time, and more when the test says so."""

    def __init__(self, path: Path, audio: bool = False) -> None:
        self.camera = CameraSpec("cam", RedactedUrl(str(path)), fps=1.0, audio=audio)
        self._source = build_source(self.camera, ColourEncoder().describe().frame_spec)
        self.until = 0.0
        self.may_go = threading.Condition()

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    def items(self) -> Iterator[SourceItem]:
        for item in self._source.items():
            if isinstance(item, AudioChunk):
                self._wait(item.start_s)
                yield item
                continue
            assert isinstance(item, FrameBatch)
            for i in range(len(item.frames)):
                self._wait(float(item.pts_s[i]))
                one = slice(i, i + 1)
                yield replace(item, pts_s=item.pts_s[one], wall_time=item.wall_time[one], frames=item.frames[one])

    def _wait(self, time_s: float) -> None:
        with self.may_go:
            while time_s >= self.until:
                self.may_go.wait()

    def go(self, until: float) -> None:
        with self.may_go:
            self.until = until
            self.may_go.notify_all()


class Run:
    """A pipeline in a thread, and what it published."""

    def __init__(
        self,
        path: Path,
        events: Sequence[EventSpec],
        encoder: ColourEncoder | None = None,
        speech: SpeechClient | None = None,
        state: StateClient | None = None,
        state_dir: Path | None = None,
    ) -> None:
        self.source, self.sink = Stepped(path, audio=speech is not None), MemorySink()
        self.services = services_of(encoder or ColourEncoder(), self.sink, speech, state)
        aligner = SimilarityAligner(self.services.encoder.describe().calibration)
        settings = ServiceSettings(config_hash="old", state_dir=state_dir)
        camera = self.source.camera
        self.pipeline = StreamPipeline(camera, tuple(events), self.source, aligner, self.services, settings)  # type: ignore[arg-type]
        self.thread = threading.Thread(target=self.pipeline.run, daemon=True)
        self.thread.start()

    def play(self, until: float) -> None:
        """Play up to a stream second, until all of it is decided."""
        self.source.go(until)
        self.wait(lambda: self.pipeline.snapshot().position_s >= until - 1.5)

    def change(self, *events: EventSpec, config_hash: str = "new") -> None:
        self.pipeline.change_rules(RulesOrder(events, self.services, config_hash))
        self.wait(lambda: self.pipeline.snapshot().config_hash == config_hash)

    def end(self) -> tuple[Event, ...]:
        self.source.go(1e9)
        self.thread.join(30)
        assert not self.thread.is_alive()
        return self.sink.events

    def wait(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < until
            time.sleep(0.005)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colours(tmp_path_factory.mktemp("media") / "colours.mp4", FILE)


def spans(events: Sequence[Event], name: str) -> list[tuple[float, float]]:
    """Return start and end of each occurrence; every one has begun once and ended."""
    found = []
    for id_ in dict.fromkeys(e.id for e in events if e.event == name):
        mine = [e for e in events if e.id == id_]
        assert [e.revision for e in mine] == list(range(len(mine)))
        assert [mine[0].type, mine[-1].type] == ["new", "end"]
        found.append((mine[-1].start, mine[-1].end))
    return found


def test_what_stays_keeps_its_open_event_and_what_is_new_begins_with_the_next_clip(path: Path) -> None:
    run = Run(path, [RED])
    run.play(10)
    (opened,) = {e.id for e in run.sink.events}
    run.change(RED, EventSpec("also", ("red",)), BLUE)
    events = run.end()
    assert {e.id for e in events if e.event == "red"} == {opened}
    assert spans(events, "red") == [(pytest.approx(4, abs=1), pytest.approx(16, abs=1))]
    assert spans(events, "also") == [(pytest.approx(9.5, abs=1.5), pytest.approx(16, abs=1))]
    assert spans(events, "other") == [(pytest.approx(20, abs=1), pytest.approx(30, abs=1))]
    assert {e.config_hash for e in events if e.event == "other"} == {"new"}


def test_events_that_are_gone_or_described_otherwise_end_at_once(path: Path) -> None:
    run = Run(path, [RED, EventSpec("also", ("red",), threshold=0.5)])
    run.play(10)
    run.change(EventSpec("also", ("red",), threshold=0.55))
    ended = {e.event for e in run.sink.events if e.type == "end"}
    assert ended == {"red", "also"}
    assert {e.config_hash for e in run.sink.events} == {"old"}
    events = run.end()
    assert spans(events, "red") == [(pytest.approx(4, abs=1), pytest.approx(10, abs=1.5))]
    first, second = spans(events, "also")
    assert first[1] <= second[0]
    assert second[1] == pytest.approx(16, abs=1)


def test_a_change_of_no_rule_changes_nothing_but_the_hash(path: Path) -> None:
    run = Run(path, [RED])
    run.play(10)
    run.change(RED)
    events = run.end()
    assert len(spans(events, "red")) == 1
    assert [e.config_hash for e in events if e.event == "red"][-1] == "new"


def test_a_zone_that_is_drawn_meanwhile_is_watched_from_then_on(path: Path) -> None:
    run = Run(path, [RED])
    run.play(10)
    run.change(RED, EventSpec("also", ("red",), zones=(LEFT,)), EventSpec("other", ("blue",), zones=(LEFT,)))
    run.play(14)
    run.change(RED, EventSpec("other", ("blue",), zones=(LEFT,)))
    events = run.end()
    assert spans(events, "red") == [(pytest.approx(4, abs=1), pytest.approx(16, abs=1))]
    assert spans(events, "also") == [(pytest.approx(10, abs=2), pytest.approx(14, abs=1.5))]
    assert spans(events, "other") == [(pytest.approx(20, abs=1), pytest.approx(30, abs=1))]


def test_all_rules_may_go_and_come_back(path: Path) -> None:
    run = Run(path, [RED])
    run.play(8)
    run.change(config_hash="none")
    assert spans(run.sink.events, "red") == [(pytest.approx(4, abs=1), pytest.approx(8, abs=1.5))]
    run.play(11)
    run.change(RED, config_hash="back")
    events = run.end()
    assert [end for _, end in spans(events, "red")] == [pytest.approx(8, abs=1.5), pytest.approx(16, abs=1)]


class SlowEncoder(ColourEncoder):
    """Embeds descriptions when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.goes = threading.Event()
        self.goes.set()
        self.asked = threading.Event()

    def build_queries(self, specs: Sequence[EventSpec]) -> tuple[EventQuery, ...]:
        self.asked.set()
        assert self.goes.wait(30)
        return super().build_queries(specs)

    def encode_frames(self, frames: U8) -> object:  # type: ignore[override]
        assert isinstance(frames, np.ndarray)
        return super().encode_frames(frames)


def test_no_frame_waits_for_the_descriptions(path: Path) -> None:
    encoder = SlowEncoder()
    run = Run(path, [RED], encoder)
    run.play(6)
    encoder.goes.clear()
    encoder.asked.clear()
    changing = threading.Thread(target=run.change, args=(BLUE,))
    changing.start()
    assert encoder.asked.wait(30)
    run.play(20)  # decided with the rules before
    assert spans(run.sink.events, "red") == [(pytest.approx(4, abs=1), pytest.approx(16, abs=1))]
    encoder.goes.set()
    changing.join(30)
    assert len(spans(run.end(), "other")) == 1


def test_rules_that_come_before_the_source_is_open_are_those_it_begins_with(path: Path) -> None:
    run = Run.__new__(Run)
    run.source, run.sink = Stepped(path), MemorySink()
    run.services = services_of(ColourEncoder(), run.sink)
    aligner = SimilarityAligner(run.services.encoder.describe().calibration)
    run.pipeline = StreamPipeline(run.source.camera, (RED,), run.source, aligner, run.services)  # type: ignore[arg-type]
    run.pipeline.change_rules(RulesOrder((BLUE,), run.services, "new"))
    run.thread = threading.Thread(target=run.pipeline.run, daemon=True)
    run.thread.start()
    events = run.end()
    assert {(e.event, e.config_hash) for e in events} == {("other", "new")}


class Hearing:
    """A transcriber that hears the same word in every chunk."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, float]] = []

    def submit(self, chunk: VoicedChunk, wait: bool) -> "Future[tuple[Utterance, ...]]":
        end = chunk.start_s + len(chunk.samples) / 16_000
        self.heard.append((chunk.start_s, end))
        return done((Utterance(chunk.start_s, end, "a parcel at the front door", 0.9, "en"),))


@pytest.mark.timeout(60)  # loads a model
def test_audio_is_listened_to_only_while_a_rule_needs_it() -> None:
    """In the sample somebody speaks at 2, 26 and 55 seconds."""
    speech, said = Hearing(), EventSpec("said", ("someone talks about a parcel at the front door",))
    run = Run(SAMPLE, [RED], speech=speech)
    run.play(20)
    run.change(RED, said, config_hash="hears")
    run.play(50)
    run.change(RED, config_hash="deaf")
    events = run.end()
    assert [start for start, _ in speech.heard] == [pytest.approx(26, abs=1)]
    assert [start for start, _ in spans(events, "said")] == [pytest.approx(26, abs=1)]
