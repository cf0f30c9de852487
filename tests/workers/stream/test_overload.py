"""Twice the work that the encoder can do, through whole pipelines, in time that passes six times as fast.

The load is that of ``tests/benchmarks/faults/overload.py``; within reason, it does not matter how fast the machine is.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from alignment.aligners.similarity import SimilarityAligner
from alignment.types import F32
from tests.support.clocks import FastClock
from tests.support.streams.load import RED, BusyEncoder, Seen, total, watch
from tests.support.streams.pipelines import ColourEncoder, MemorySink, services_of, write_colours
from workers.events.event import Event
from workers.redaction import RedactedUrl
from workers.services.scheduler import DEFAULT_CONTEXT
from workers.sources.factory import build_source
from workers.stream.pipeline import StreamPipeline
from workers.types import U8, CameraSpec

pytestmark = pytest.mark.realtime

PRIORITIES = (9, 5, 1, 1, 1, 1, 1, 1)
SECONDS = 60.0


@dataclass(frozen=True)
class Run:
    """What came of the cameras, and of a file beside them."""

    seen: dict[str, Seen]
    path: Path
    file: StreamPipeline
    file_sink: MemorySink
    file_done: bool


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Eight cameras of two frames a second before an encoder that takes an eighth of a second for each."""
    clock = FastClock(6)
    encoder, sink = BusyEncoder(1 / 8, clock), MemorySink()
    scenes = [("grey", 4), ("red", 6), ("grey", 6), ("red", 5), ("grey", 3)]
    path = write_colours(tmp_path_factory.mktemp("file") / "colours.mp4", scenes)
    stream = tag(path, encoder.client(DEFAULT_CONTEXT), sink)
    thread = Thread(target=stream.run)
    thread.start()
    seen = watch(PRIORITIES, 2.0, SECONDS, encoder, clock)
    return Run(seen, path, stream, sink, not thread.is_alive())


@pytest.fixture
def overloaded(run: Run) -> dict[str, Seen]:
    return run.seen


def tag(path: Path, client: ColourEncoder, sink: MemorySink) -> StreamPipeline:
    camera = CameraSpec("upload", RedactedUrl(str(path)), audio=False)
    description = client.describe()
    aligner, source = SimilarityAligner(description.calibration), build_source(camera, description.frame_spec)
    return StreamPipeline(camera, (RED,), source, aligner, services_of(client, sink))


def of(seen: dict[str, Seen], priority: int) -> list[Seen]:
    return [s for name, s in seen.items() if name.endswith(f"-{priority}")]


def share(cameras: Sequence[Seen]) -> float:
    """Return which share of the frames got scores."""
    return sum(len(s.scored) for s in cameras) / sum(s.sampled for s in cameras)


def test_every_frame_is_accounted_for(overloaded: dict[str, Seen]) -> None:
    for name, seen in overloaded.items():
        assert seen.sampled == sum(total(seen).values()), name
        assert seen.sampled > 1.5 * SECONDS


def test_the_least_important_give_way(overloaded: dict[str, Seen]) -> None:
    assert share(of(overloaded, 9)) > 0.9
    assert share(of(overloaded, 1)) < 0.5
    assert share(of(overloaded, 5)) > 1.5 * share(of(overloaded, 1))
    assert all(s.dropped["overload"] > 0 for s in of(overloaded, 1))


def test_equals_share_what_is_left(overloaded: dict[str, Seen]) -> None:
    scored = [len(s.scored) for s in of(overloaded, 1)]
    assert min(scored) > 0
    assert max(scored) - min(scored) <= max(3, 0.5 * max(scored))


def test_what_the_least_important_still_tell_is_fresh(overloaded: dict[str, Seen]) -> None:
    for seen in of(overloaded, 1):
        latest = [age for when, age in seen.scored if when > seen.scored[-1][0] - SECONDS / 2]
        assert max(latest) < 8, "the buffer alone would be sixteen seconds late"


def test_the_important_tell_every_event(overloaded: dict[str, Seen]) -> None:
    for seen in of(overloaded, 9):
        found = {e.id: e for e in seen.events}.values()
        assert len(found) == pytest.approx(SECONDS / 6, abs=1)
        assert all(e.end - e.start == pytest.approx(3.0, abs=1.1) for e in found)


def test_a_span_does_not_end_where_nobody_looked() -> None:
    """Something that stays stays one event, although a frame every second or two is all that is looked at."""
    clock, seconds = FastClock(4), 40.0
    seen = watch((9, 1), 2.0, seconds, BusyEncoder(0.35, clock), clock, turn_s=seconds * 4)
    (red,) = of(seen, 1)  # it shows red from the beginning on
    assert share([red]) < 0.8
    assert {e.type for e in red.events} == {"new", "update", "end"}
    assert len({e.id for e in red.events}) == 1
    assert red.events[-1].end - red.events[-1].start > seconds - 12


def test_a_file_beside_overloaded_cameras_waits_and_loses_nothing(run: Run) -> None:
    assert run.file_done, "it had a turn now and then"
    assert not any(run.file.snapshot().source.dropped.values())
    alone = MemorySink()
    tag(run.path, ColourEncoder(), alone).run()
    assert len({e.id for e in alone.events}) == 2
    assert described(run.file_sink.events) == described(alone.events)


def described(events: Sequence[Event]) -> list[tuple[str, int, float, float]]:
    return [(e.id, e.revision, e.start, e.end) for e in events]


class Patient(ColourEncoder):
    """Answers once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let = threading.Event(), threading.Event()

    def encode_frames(self, frames: U8) -> "Future[F32]":
        answer: Future[F32] = Future()
        found = super().encode_frames(frames).result()
        self.asked.set()
        Thread(target=lambda: self.let.wait() and answer.set_result(found), daemon=True).start()
        return answer


def test_a_file_that_waits_for_its_turn_is_not_stuck(tmp_path: Path) -> None:
    encoder = Patient()
    stream = tag(write_colours(tmp_path / "a.mp4", [("red", 6)]), encoder, MemorySink())
    thread = Thread(target=stream.run)
    thread.start()
    assert encoder.asked.wait(30)
    looks: list[Any] = []
    while len(looks) < 5:
        time.sleep(0.1)
        looks.append(stream.snapshot().progress_wall)
    encoder.let.set()
    thread.join(30)
    assert len(set(looks[-4:])) == 4, "whoever looks sees it get on"
    done = stream.snapshot().progress_wall
    time.sleep(0.05)
    assert stream.snapshot().progress_wall == done
