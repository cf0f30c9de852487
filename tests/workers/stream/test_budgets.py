"""Budgets in a whole pipeline: learned from a live stream, kept over a restart, told in events; files start anew."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from alignment.aligners.similarity import SimilarityAligner
from alignment.calibration import threshold_for_budget
from tests.support.events import validate_body
from tests.support.streams.pipelines import COLOURS, ColourEncoder, MemorySink, services_of
from workers.events.event import Rule
from workers.redaction import RedactedUrl
from workers.services.settings import ServiceSettings
from workers.services.state import StateService
from workers.sources.base import WithoutClips
from workers.stream.pipeline import StreamPipeline
from workers.types import CameraSpec, EventSpec, FrameBatch, SourceInfo, SourceSnapshot

RED = EventSpec("red", ("red",), max_false_alerts_per_hour=1.0)
GREY = np.full((32, 32, 3), COLOURS["grey"], np.uint8)
BATCH = 50


def reddish() -> np.ndarray:
    """A frame with red in 11 of the 25 pixels that are looked at, so that its cosine is 0.62 and p is 0.91."""
    frame = GREY.copy()
    frame[:, :14] = frame[:7, :21] = COLOURS["red"]
    return frame


class Scenes(WithoutClips):
    """One frame a second: ``[(frame, seconds)]``."""

    def __init__(self, scenes: list[tuple[np.ndarray, int]], start: float, live: bool = True) -> None:
        self.frames = [frame for frame, seconds in scenes for _ in range(seconds)]
        self.start, self.live = start, live

    def open(self) -> SourceInfo:
        return SourceInfo("session", self.live, True, False)

    def items(self) -> Iterator[FrameBatch]:
        for first in range(0, len(self.frames), BATCH):
            frames = np.stack(self.frames[first : first + BATCH])
            t = self.start + first + np.arange(len(frames), dtype=np.float64)
            yield FrameBatch("cam", 0, t, t, frames)

    def snapshot(self) -> SourceSnapshot:
        return SourceSnapshot(up=True)

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


def run(folder: Path, source: Scenes, spec: EventSpec = RED) -> tuple[StreamPipeline, MemorySink]:
    encoder, sink = ColourEncoder(), MemorySink()
    aligner = SimilarityAligner(encoder.describe().calibration)
    settings = ServiceSettings(config_hash="cfg", state_dir=folder)
    camera = CameraSpec("cam", RedactedUrl("rtsp://host/a"), audio=False)
    services = services_of(encoder, sink, state=StateService.of(settings))
    pipeline = StreamPipeline(camera, (spec,), source, aligner, services, settings)
    pipeline.run()
    return pipeline, sink


def test_a_budget_survives_a_restart(tmp_path: Path) -> None:
    quiet = Scenes([(GREY, 3 * 3600)], 1e9)
    passing = Scenes([(GREY, 100), (reddish(), 10), (GREY, 100)], 1e9 + 30_000)
    assert run(tmp_path / "fresh", passing)[1].events == ()  # as strict as the profile's table
    learned = run(tmp_path / "kept", quiet)[0].snapshot()
    assert learned.thresholds["red"] < 0.7 < threshold_for_budget(1.0)
    assert (learned.budgets, learned.budget_alerts) == ({"red": 1.0}, {"red": 0.0})
    again, sink = run(tmp_path / "kept", passing)
    assert [e.type for e in sink.events] == ["new", "end"]
    rule = sink.events[0].rule
    assert (rule.threshold, rule.max_false_alerts_per_hour) == (pytest.approx(learned.thresholds["red"], abs=1e-4), 1.0)
    validate_body(sink.events[0].to_document())
    assert again.snapshot().budget_alerts["red"] == pytest.approx(1 / (3 + 210 / 3600), rel=0.01)


def test_a_fixed_threshold_stays_and_nothing_is_kept(tmp_path: Path) -> None:
    fixed = EventSpec("red", ("red",), threshold=0.75)
    pipeline, sink = run(tmp_path / "kept", Scenes([(GREY, 3600), (reddish(), 10), (GREY, 100)], 1e9), fixed)
    assert pipeline.snapshot().thresholds == {"red": 0.75}
    assert pipeline.snapshot().budgets == {}
    assert sink.events[0].rule == Rule(threshold=0.75, max_false_alerts_per_hour=None)
    assert not (tmp_path / "kept" / "budgets").exists()


def test_a_file_learns_within_itself_and_leaves_nothing_behind(tmp_path: Path) -> None:
    source = Scenes([(reddish(), 10), (GREY, 3 * 3600), (reddish(), 10), (GREY, 100)], 0.0, live=False)
    first, second = run(tmp_path / "kept", source)[1], run(tmp_path / "kept", source)[1]
    assert [round(e.start) for e in first.events if e.type == "end"] == [3 * 3600 + 10]
    assert [e.rule for e in first.events] == [e.rule for e in second.events]
    assert not (tmp_path / "kept" / "budgets").exists()


def test_a_camera_that_is_turned_starts_anew(tmp_path: Path) -> None:
    blue = np.full((32, 32, 3), COLOURS["blue"], np.uint8)
    pipeline, _ = run(tmp_path / "kept", Scenes([(GREY, 3 * 3600), (blue, 900)], 1e9))
    assert pipeline.snapshot().thresholds["red"] > 0.9  # 600 s after the change was certain
    document = json.loads((tmp_path / "kept" / "budgets" / "cam.json").read_text())
    (state,) = document["budgets"].values()
    assert set(state["scenes"]) == {"0", "1"}


def test_events_beyond_the_budget_are_recorded_and_marked(tmp_path: Path) -> None:
    """A sure look-alike every 100 s on a budget of one an hour: all are published, few as alerts."""
    red = np.full((32, 32, 3), COLOURS["red"], np.uint8)
    source = Scenes([(GREY, 90), (red, 10)] * 30, 1e9)
    pipeline, sink = run(tmp_path / "kept", source)
    ends = [e for e in sink.events if e.type == "end"]
    assert len(ends) == 30
    assert 2 <= sum(not e.over_budget for e in ends) <= 4
    assert pipeline.snapshot().over_budget["red"] > 10
    assert pipeline.snapshot().alert_thresholds["red"] > pipeline.snapshot().thresholds["red"]
    for event in sink.events:
        validate_body(event.to_document())
    again, sink = run(tmp_path / "kept", Scenes([(GREY, 90), (red, 10), (GREY, 20)], 1e9 + 4000))
    assert [e.over_budget for e in sink.events] == [True, True]  # a restart does not renew the allowance
    assert "red" in again.snapshot().over_budget
    assert (pipeline.snapshot().look_alikes, again.snapshot().look_alikes) == ({"red": "red"}, {"red": "red"})
