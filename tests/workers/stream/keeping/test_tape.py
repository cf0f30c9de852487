"""What a stream decided on is in the index, and deciding on it again gives the same events, to the last digit."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from alignment.aligners.similarity import SimilarityAligner
from tests.support.clocks import FakeClock
from tests.support.streams.live_items import EVENTS, START, live_items
from tests.support.streams.pipelines import ColourEncoder, MemorySink, services_of
from tests.support.streams.replaying import Replay, decisions
from workers.index import recorder
from workers.index.reader import IndexReader
from workers.index.types import TapeBatch, TapeInfo
from workers.items import FrameAnswer, StreamItem
from workers.redaction import RedactedUrl
from workers.services.settings import ServiceSettings
from workers.services.state import StateService
from workers.sources.factory import build_source
from workers.stream.pipeline import StreamPipeline
from workers.stream.tape import Tape
from workers.types import CameraSpec, EventSpec, SourceInfo

pytestmark = pytest.mark.timeout(60)  # shares a busy machine

CAMERA = CameraSpec("cam", RedactedUrl("rtsp://camera/1"))


def tape_of(events: tuple[EventSpec, ...], live: bool = True) -> TapeInfo:
    encoder = ColourEncoder().describe()
    zones = tuple(dict.fromkeys(e.areas for e in events if e.areas))
    return TapeInfo("cam", "5e551011", live, encoder.info.id, 1.0, encoder.dims, True, True, START, zones=zones)


def settled(state: StateService) -> None:
    state.close(20)


def test_live_decisions_can_be_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids, spans, scores, budgets, explanations, of all revisions: over several shards, late at times."""
    monkeypatch.setattr(recorder, "SHARD_S", 60.0)
    info = SourceInfo("5e551011", live=True, has_video=True, has_audio=True)
    aligner, state = SimilarityAligner(ColourEncoder().describe().calibration), StateService(index=tmp_path)
    live, clock = Replay(CAMERA, info, EVENTS, aligner), FakeClock()
    tape, rng = Tape(state, tape_of(EVENTS), clock), np.random.default_rng(1)
    for item in live_items(0, 260):
        clock.sleep(0.4)
        live.decide([tape.take(item, behind=bool(rng.random() < 0.3))])
    tape.finish()
    settled(state)
    shards = list(IndexReader(tmp_path).shards({"cam"}))
    assert len(shards) > 3
    assert all(shard.closed and not shard.missing for shard in shards)
    assert [s.info.first for s in shards[1:]] == [s.info.first + s.count for s in shards[:-1]]
    again = Replay(CAMERA, info, EVENTS, aligner)
    for shard in shards:
        again.decide(shard.items())
    seen = Counter(e["event"] for e in live.events if e["type"] == "end")
    assert set(seen) == {e.name for e in EVENTS}
    assert any(e["over_budget"] for e in live.events)
    assert again.events == live.events


def test_a_file_is_decided_again_from_the_index(tmp_path: Path, colour_video: Callable[..., Path]) -> None:
    path = colour_video([("grey", 4), ("red", 6), ("grey", 6), ("blue", 5), ("grey", 4), ("red", 5)])
    events, sink = EVENTS[:3], MemorySink()
    first = watch(path, tmp_path, events, sink)
    (shard,) = IndexReader(tmp_path / "index").shards()
    assert shard.closed
    assert shard.info.tape.file is not None
    assert (shard.info.tape.file.name, shard.info.tape.width) == (path.name, 64)
    assert (shard.info.tape.detects, shard.info.tape.tags, shard.info.tape.transcribes) == (False, False, False)
    assert len(shard.t) == 30
    info = SourceInfo(shard.info.tape.key, False, True, False, 64, 48, shard.info.tape.duration_s)
    again = Replay(camera_of(path), info, events, first).decide(shard.items())
    assert sink.events
    assert again.events == decisions(sink.events)


def test_a_file_that_is_watched_again_is_there_once(tmp_path: Path, colour_video: Callable[..., Path]) -> None:
    path = colour_video([("grey", 4), ("red", 6)])
    for _ in range(2):
        watch(path, tmp_path, EVENTS[:1], MemorySink())
    (shard,) = IndexReader(tmp_path / "index").shards()
    assert len(shard.t) == 10


def camera_of(path: Path) -> CameraSpec:
    return CameraSpec("cam", RedactedUrl(str(path)), audio=False)


def watch(path: Path, state_dir: Path, events: tuple[EventSpec, ...], sink: MemorySink) -> SimilarityAligner:
    encoder, settings = ColourEncoder(), ServiceSettings(state_dir=state_dir)
    aligner, state = SimilarityAligner(encoder.describe().calibration), StateService.of(settings)
    camera = camera_of(path)
    source = build_source(camera, encoder.describe().frame_spec)
    StreamPipeline(camera, events, source, aligner, services_of(encoder, sink, state=state), settings).run()
    settled(state)
    return aligner


def test_what_is_looked_for_begins_a_new_shard(tmp_path: Path) -> None:
    """A change of rules: zones and objects of the frames say themselves whether they were asked for."""
    state, clock = StateService(index=tmp_path), FakeClock()
    tape, items = Tape(state, tape_of(EVENTS), clock), list(live_items(0, 60))
    for item in items[:80]:
        tape.take(item)
    tape.follow(None)
    for item in items[80:]:
        clock.sleep(1)
        tape.take(without_zones(item))
    tape.finish()
    settled(state)
    before, after = IndexReader(tmp_path).shards()
    assert (len(before.info.tape.zones), len(after.info.tape.zones)) == (1, 0)
    change = next(n for n in range(80, len(items)) if isinstance(items[n], FrameAnswer))
    assert (before.count, after.info.first, before.count + after.count) == (change, change, len(items))


def without_zones(item: StreamItem) -> StreamItem:
    return FrameAnswer(item.segment, item.pts_s, item.features) if isinstance(item, FrameAnswer) else item


class Slow:
    """A state service that responds when it is told to, or not at all."""

    def __init__(self) -> None:
        self.batches: list[TapeBatch] = []
        self.responses: list[Future[bool]] = []

    def record(self, batch: TapeBatch) -> "Future[bool]":
        self.batches.append(batch)
        self.responses.append(Future())
        return self.responses[-1]


def test_a_live_stream_waits_for_nobody_and_knows_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.stream.tape.MOST_WAITING", 50)
    state, clock = Slow(), FakeClock()
    tape = Tape(state, tape_of(()), clock)  # type: ignore[arg-type]  # it needs this one method
    items = [without_zones(item) for item in live_items(0, 60)]
    for item in items[:70]:
        clock.sleep(0.5)
        tape.take(item)
    (sent,) = state.batches
    assert (sent.first, tape.lost) == (0, 50)
    state.responses[0].set_result(True)
    clock.sleep(3)
    tape.take(items[70])
    assert state.batches[1].first == sent.count + 50
    state.responses[1].set_result(False)
    clock.sleep(3)
    tape.take(items[71])
    assert tape.lost == 50 + state.batches[1].count
