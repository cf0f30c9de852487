"""Budgets in a whole pipeline: learned from a live stream, kept over a restart, told in events; files start anew."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from colour_encoder import COLOURS, ColourEncoder, unit
from memory_sink import MemorySink
from publish_kit import validate_body

from alignment.calibration import threshold_for_budget
from alignment.similarity import SimilarityAligner
from workers.pipeline import StreamPipeline, StreamTools
from workers.redaction import RedactedUrl
from workers.types import CameraSpec, EventSpec, FrameBatch, SourceInfo, SourceSnapshot

RED = EventSpec("red", ("red",), max_false_alerts_per_hour=1.0)
GREY = np.array(COLOURS["grey"], np.uint8)
BATCH = 50


def reddish() -> np.ndarray:
    """A colour whose cosine with red is 0.57, so p = σ(20 · 0.07) = 0.8."""
    red = unit(np.array([COLOURS["red"]]))[0]
    across = np.cross(red, np.full(3, 3**-0.5))
    return np.round(110 + 80 * (0.57 * red + (1 - 0.57**2) ** 0.5 * across)).astype(np.uint8)


class Scenes:
    """One frame a second, of plain colours: ``[(colour, seconds)]``."""

    def __init__(self, scenes: list[tuple[np.ndarray, int]], start: float, live: bool = True) -> None:
        self.rows = np.concatenate([np.tile(colour, (n, 1)) for colour, n in scenes])
        self.start, self.live = start, live

    def open(self) -> SourceInfo:
        return SourceInfo("session", self.live, True, False)

    def items(self) -> Iterator[FrameBatch]:
        for first in range(0, len(self.rows), BATCH):
            rows = self.rows[first : first + BATCH]
            t = self.start + first + np.arange(len(rows), dtype=np.float64)
            yield FrameBatch("cam", 0, t, t, np.tile(rows[:, None, None], (1, 32, 32, 1)))

    def snapshot(self) -> SourceSnapshot:
        return SourceSnapshot(up=True)

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


def run(folder: Path, source: Scenes, spec: EventSpec = RED) -> tuple[StreamPipeline, MemorySink]:
    encoder, sink = ColourEncoder(), MemorySink()
    aligner = SimilarityAligner(encoder.describe().calibration)
    tools = StreamTools(encoder, None, aligner, sink, "cfg", budget_folder=folder)
    camera = CameraSpec("cam", RedactedUrl("rtsp://host/a"), audio=False)
    pipeline = StreamPipeline(camera, (spec,), source, tools)
    pipeline.run()
    return pipeline, sink


def test_a_budget_survives_a_restart(tmp_path: Path) -> None:
    quiet = Scenes([(GREY, 6 * 3600)], 1e9)
    passing = Scenes([(GREY, 100), (reddish(), 10), (GREY, 100)], 1e9 + 30_000)
    assert run(tmp_path / "fresh", passing)[1].events == ()  # as strict as the profile's table
    learned = run(tmp_path / "kept", quiet)[0].snapshot()
    assert learned.thresholds["red"] < 0.7 < threshold_for_budget(1.0)
    assert (learned.budgets, learned.budget_alerts) == ({"red": 1.0}, {"red": 0.0})
    again, sink = run(tmp_path / "kept", passing)
    assert [e.type for e in sink.events] == ["new", "end"]
    rule = sink.events[0].body["rule"]
    assert rule == {"threshold": pytest.approx(learned.thresholds["red"], abs=1e-4), "max_false_alerts_per_hour": 1.0}
    validate_body(sink.events[0].body)
    assert again.snapshot().budget_alerts["red"] == pytest.approx(1 / (6 + 210 / 3600), rel=0.01)


def test_a_fixed_threshold_stays_and_nothing_is_kept(tmp_path: Path) -> None:
    fixed = EventSpec("red", ("red",), threshold=0.75)
    pipeline, sink = run(tmp_path / "kept", Scenes([(GREY, 3600), (reddish(), 10), (GREY, 100)], 1e9), fixed)
    assert pipeline.snapshot().thresholds == {"red": 0.75}
    assert pipeline.snapshot().budgets == {}
    assert sink.events[0].body["rule"] == {"threshold": 0.75, "max_false_alerts_per_hour": None}
    assert not (tmp_path / "kept").exists()


def test_a_file_learns_within_itself_and_leaves_nothing_behind(tmp_path: Path) -> None:
    source = Scenes([(reddish(), 10), (GREY, 6 * 3600), (reddish(), 10), (GREY, 100)], 0.0, live=False)
    first, second = run(tmp_path / "kept", source)[1], run(tmp_path / "kept", source)[1]
    assert [round(e.start) for e in first.events if e.type == "end"] == [6 * 3600 + 10]
    assert [e.body["rule"] for e in first.events] == [e.body["rule"] for e in second.events]
    assert not (tmp_path / "kept").exists()


def test_a_camera_that_is_turned_starts_anew(tmp_path: Path) -> None:
    blue = np.array(COLOURS["blue"], np.uint8)
    pipeline, _ = run(tmp_path / "kept", Scenes([(GREY, 6 * 3600), (blue, 900)], 1e9))
    assert pipeline.snapshot().thresholds["red"] > 0.9  # 600 s after the change was certain
    document = json.loads((tmp_path / "kept" / "cam.json").read_text())
    (state,) = document["budgets"].values()
    assert set(state["scenes"]) == {"0", "1"}
