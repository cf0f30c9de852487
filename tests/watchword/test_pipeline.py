"""``watchword.Pipeline``: what is pushed is decided as what is read from a file."""

import gc
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import watchword
from tests.support.streams.pipelines import COLOURS, RED_TWICE, write_colours

pytestmark = pytest.mark.process  # loads torch, once


def frames(scenes: Sequence[tuple[str, float]], fps: int = 10) -> Iterator[tuple[np.ndarray, float]]:
    """The frames that ``write_colours`` encodes, with their times."""
    n = 0
    for colour, seconds in scenes:
        for _ in range(round(seconds * fps)):
            yield np.full((48, 64, 3), COLOURS[colour], np.uint8), n / fps
            n += 1


def spans(events: Sequence[watchword.Event]) -> list[tuple[float, float]]:
    return [(event.start, event.end) for event in events]


def test_pushed_frames_give_the_events_of_the_file(tmp_path: Path) -> None:
    of_file = watchword.tag(write_colours(tmp_path / "colours.mp4", RED_TWICE), ["red"], profile="colour")
    revisions = []
    with watchword.Pipeline(["red"], profile="colour") as pipeline:
        for frame, t in frames(RED_TWICE):
            revisions += pipeline.push(frame, t)
    final = pipeline.close()
    assert spans(final) == spans(of_file)
    assert {event.type for event in final} == {"end"}
    assert {event.id for event in revisions} <= {event.id for event in final}
    assert pipeline.close() == final


def test_events_come_while_frames_are_pushed() -> None:
    with watchword.Pipeline(["red"], profile="colour", fps=2) as pipeline:
        found: list[watchword.Event] = []
        endless, deadline = frames([("grey", 3), ("red", 1e6)]), time.monotonic() + 50
        while not found and time.monotonic() < deadline:
            found = pipeline.push(*next(endless))
    assert [event.type for event in found] == ["new"]


def test_a_long_gap_ends_an_event() -> None:
    scene = list(frames([("grey", 3), ("red", 5)], fps=1))
    with watchword.Pipeline(["red"], profile="colour") as pipeline:
        for frame, t in scene + [(frame, t + 1000) for frame, t in scene]:
            pipeline.push(frame, t)
    assert [round(start) for start, _ in spans(pipeline.close())] == [2, 1002]


def test_an_event_is_looked_for_in_its_zone() -> None:
    left = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]
    right = ((0.5, 0), (1, 0), (1, 1), (0.5, 1))
    events = {"here": {"describe": "red", "zone": "left"}, "there": {"describe": "red", "zone": "right"}}
    with watchword.Pipeline(events, profile="colour", zones={"left": left, "right": right}) as pipeline:
        for frame, t in frames([("grey", 3), ("red", 5), ("grey", 3)], fps=1):
            frame[:, 32:] = 128
            pipeline.push(frame, t)
    assert {event.event for event in pipeline.close()} == {"here"}


def test_evidence_of_pushed_frames(tmp_path: Path) -> None:
    with watchword.Pipeline(["red"], profile="colour", evidence=tmp_path) as pipeline:
        for frame, t in frames([("grey", 3), ("red", 5), ("grey", 3)], fps=1):
            pipeline.push(frame.repeat(20, axis=0).repeat(30, axis=1), t)
    (event,) = pipeline.close()
    assert event.snapshot is not None
    with Image.open(event.snapshot) as snapshot:
        assert snapshot.size == (1280, 640)  # the whole frame, not what the model sees
    assert event.clip is None


@pytest.mark.parametrize(
    ("frame", "t", "why"),
    [
        (np.zeros((48, 64, 3), np.float32), 1.0, r"uint8\[height, width, 3\] in RGB, not float32\[48, 64, 3\]"),
        (np.zeros((48, 64), np.uint8), 1.0, "not uint8"),
        ([[0]], 1.0, "not list"),
        (np.zeros((24, 64, 3), np.uint8), 1.0, "has 64 x 24 pixels, the first one had 64 x 48"),
        (np.zeros((48, 64, 3), np.uint8), 0.5, r"at 0.5 s comes after one at 1.0 s"),
        (np.zeros((48, 64, 3), np.uint8), float("nan"), "number of seconds, not nan"),
    ],
)
def test_what_is_no_frame_is_refused(frame: np.ndarray, t: float, why: str) -> None:
    with watchword.Pipeline(["red"], profile="colour") as pipeline:
        pipeline.push(np.zeros((48, 64, 3), np.uint8), 1.0)
        with pytest.raises(ValueError, match=why):
            pipeline.push(frame, t)


def test_a_closed_pipeline_takes_no_frames_and_an_empty_one_has_no_events() -> None:
    pipeline = watchword.Pipeline(["red"], profile="colour")
    assert pipeline.close() == []
    with pytest.raises(ValueError, match="is closed"):
        pipeline.push(np.zeros((48, 64, 3), np.uint8), 0.0)


def test_what_is_not_closed_ends_with_its_last_reference() -> None:
    pipeline = watchword.Pipeline(["red"], profile="colour", name="forgotten")
    pipeline.push(np.zeros((48, 64, 3), np.uint8), 0.0)
    del pipeline
    gc.collect()
    deadline = time.monotonic() + 30
    while (alive := [t for t in threading.enumerate() if t.name == "stream-forgotten"]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert alive == []
