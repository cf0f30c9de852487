"""When clips are made, and that none costs an event: with a fake camera and a clock, and with real files."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests.support.streams.pipelines import COLOURS, ColourEncoder, MemorySink, services_of
from workers.clock import SystemClock
from workers.errors import ClipUnavailable
from workers.events.erasures import Scope
from workers.events.evidence import Followed
from workers.redaction import RedactedUrl
from workers.services.settings import ServiceSettings
from workers.services.state import StateService
from workers.sources.base import WithoutClips
from workers.stream.clips import ClipRecorder
from workers.stream.worker import StreamWorker
from workers.types import CameraSpec, Clip, ClipOptions, EventSpec, SourceSnapshot

pytestmark = pytest.mark.timeout(90)
CAMERA = CameraSpec("cam", RedactedUrl("tcp://127.0.0.1:1"))


class Clock(SystemClock):
    now = 1000.0

    def wall(self) -> float:
        return self.now


@dataclass
class FakeSource(WithoutClips):
    """Gives clips whose content is their span; records what it was asked to hold."""

    held: list[float | None] = field(default_factory=list)
    asked: list[tuple[float, float]] = field(default_factory=list)
    pictures: list[float] = field(default_factory=list)
    full: bool = False
    error: Exception | None = None
    gate: threading.Event | None = None

    def hold(self, since: float | None) -> None:
        self.held.append(since)

    def clip(self, start: float, end: float) -> Clip:
        self.asked.append((start, end))
        if self.gate is not None:
            self.gate.wait(30)
        if self.error is not None:
            raise self.error
        return Clip(start, end, b"mp4")

    def picture(self, t: float) -> bytes:
        self.pictures.append(t)
        if self.error is not None:
            raise self.error
        return b"jpeg"

    def snapshot(self) -> SourceSnapshot:
        return SourceSnapshot(kept_full=self.full)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nobody calls {name}")


class Made:
    def __init__(self, folder: Path, live: bool = True, **options: Any) -> None:
        self.clock, self.source, self.folder = Clock(), FakeSource(), folder / "evidence" / "cam"
        self.state = StateService(folder / "evidence", erasures=folder / "erasures.jsonl")
        source: Any = self.source
        self.recorder = ClipRecorder(source, self.state, CAMERA, ClipOptions(**options), live, self.clock)

    def follow(self, name: str, start: float, end: float, closed: bool, picture_s: float | None = None, **more: Any):
        self.recorder.follow(Followed(f"day/{name}", name, start, end, closed, picture_s, more.get("fallback")))

    def clip(self, name: str) -> Path:
        return self.folder / "day" / f"{name}.mp4"

    def wait_for(self, condition: Callable[[], object]) -> None:
        until = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < until, vars(self.source)
            time.sleep(0.01)


def test_a_clip_is_made_when_the_time_after_the_event_has_passed(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.follow("a", 990.0, 992.0, closed=False)
    made.wait_for(lambda: made.source.held == [985.0])
    made.clock.now = 1003.0
    made.follow("a", 990.0, 999.0, closed=True)
    time.sleep(0.8)
    assert made.source.asked == []
    made.clock.now = 1004.5
    made.wait_for(made.clip("a").exists)
    assert made.source.asked == [(985.0, 1004.0)]
    made.wait_for(lambda: made.source.held == [985.0, None])
    made.follow("a", 990.0, 999.5, closed=True)  # a late transcript
    time.sleep(0.8)
    assert made.source.asked == [(985.0, 1004.0)]
    assert (made.recorder.saved, made.recorder.failed) == (1, 0)


def test_of_a_long_event_the_beginning_is_shown_while_it_goes_on(tmp_path: Path) -> None:
    made = Made(tmp_path, longest_s=20.0)
    made.follow("a", 990.0, 999.0, closed=False)
    made.clock.now = 1005.5
    made.wait_for(made.clip("a").exists)
    assert made.source.asked == [(985.0, 1005.0)]


def test_when_the_memory_is_used_up_the_oldest_clip_is_made_at_once(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.follow("b", 995.0, 999.0, closed=False)
    made.follow("a", 990.0, 999.0, closed=False)
    made.source.full = True
    made.wait_for(lambda: made.source.asked)
    assert made.source.asked[0] == (985.0, 1000.0)


def test_a_stream_that_ends_has_its_clips_within_its_time(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.follow("a", 998.0, 999.0, closed=True)
    made.follow("b", 997.0, 999.0, closed=False)
    made.recorder.finish(threading.Event())
    assert made.clip("a").exists()
    assert made.clip("b").exists()
    stuck = Made(tmp_path / "stuck")
    stuck.source.gate = threading.Event()
    stuck.follow("a", 998.0, 999.0, closed=True)
    began = time.monotonic()
    stuck.recorder.finish(threading.Event())
    assert time.monotonic() - began < 30
    stuck.source.gate.set()


def test_of_a_file_every_clip_is_waited_for_unless_it_is_stopped(tmp_path: Path) -> None:
    made = Made(tmp_path, live=False)
    made.source.gate = threading.Event()
    made.follow("a", 10.0, 12.0, closed=True)
    threading.Timer(2.6, made.source.gate.set).start()
    made.recorder.finish(threading.Event())
    assert made.clip("a").exists()
    assert made.source.asked == [(5.0, 17.0)]


def test_a_clip_that_cannot_be_made_costs_nothing_else(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.source.error = ClipUnavailable("nothing of that time is kept")
    made.follow("a", 980.0, 985.0, True, 984.0, fallback=b"small")
    made.wait_for(lambda: made.recorder.failed)
    assert (made.folder / "day" / "a.jpg").read_bytes() == b"small"
    made.source.error = None
    made.follow("b", 980.0, 985.0, True, 984.0)
    made.wait_for(made.clip("b").exists)
    assert (made.folder / "day" / "b.jpg").read_bytes() == b"jpeg"


def test_what_was_forgotten_gets_no_clip_and_no_picture(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.state._erasures.add(Scope("cam", 975.5, 976.0), ["other"])  # within the time before `a`
    made.follow("a", 980.0, 985.0, True, 984.0)
    made.follow("b", 990.0, 991.0, True, 990.5)
    made.wait_for(made.clip("b").exists)
    made.wait_for(lambda: made.recorder.failed)
    assert not made.clip("a").exists()
    made.state._erasures.add(Scope("cam", 1.0, 2.0), ["c"])
    made.follow("c", 990.0, 991.0, True, 990.5)
    made.wait_for(lambda: made.recorder.failed == 2)
    assert [p.name for p in made.folder.glob("day/c.*")] == []


def test_no_clip_is_written_onto_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = StateService(tmp_path / "evidence")
    monkeypatch.setattr("workers.services.state._free_bytes", lambda folder: 200 << 20)
    assert not state.keep_evidence("cam", "day/a.mp4", "a", bytes(2 << 20), None)
    assert state.keep_evidence("cam", "day/a.jpg", "a", bytes(2000), None)  # small: what an event needs anyway


SCENES = [("grey", 4), ("red", 6), ("grey", 12), ("blue", 5), ("grey", 4)]


def watched(path: Path, folder: Path, camera: dict[str, Any] | None = None, **options: Any) -> MemorySink:
    """Watch a file to its end, with its evidence in ``folder``."""
    encoder, sink = ColourEncoder(), MemorySink()
    settings = ServiceSettings(state_dir=folder, clips=ClipOptions(**options))
    spec = CameraSpec("cam", RedactedUrl(str(path)), **{"audio": False} | (camera or {}))
    services = services_of(encoder, sink, state=StateService.of(settings))
    worker = StreamWorker(spec, tuple(EventSpec(n, (n,)) for n in ("red", "blue")), settings, services)
    worker.start()
    assert worker.join(80)
    assert worker.snapshot().state == "finished", worker.snapshot()
    return sink


def colours(path: Path) -> list[str]:
    """Return the colour of each second of a clip."""
    names = list[str]()
    with av.open(str(path), "r") as clip:
        for frame in clip.decode(clip.streams.video[0]):
            if len(names) <= float(frame.time):
                mean = frame.to_ndarray(format="rgb24").mean((0, 1))
                names.append(min(COLOURS, key=lambda n: float(np.abs(np.array(COLOURS[n]) - mean).sum())))
    return names


def test_every_event_of_a_file_has_its_clip_and_its_whole_frame(
    colour_video: Callable[..., Path], tmp_path: Path
) -> None:
    sink = watched(colour_video(SCENES), tmp_path, pre_s=2.0, post_s=3.0)
    ends = {e.event: e.evidence for e in sink.events if e.type == "end"}
    assert {e.evidence.clip for e in sink.events} == {x.clip for x in ends.values()}  # known from the first revision
    red = colours(Path(str(ends["red"].clip)))
    assert red[:2] == ["grey"] * 2
    assert red.count("red") == pytest.approx(6, abs=1)
    assert red[-3:] == ["grey"] * 3
    assert Path(str(ends["red"].clip)).parts[-3:-1] == ("cam", "colours")
    blue = colours(Path(str(ends["blue"].clip)))
    assert blue.count("blue") == pytest.approx(5, abs=1)
    with Image.open(str(ends["blue"].snapshot)) as picture, av.open(str(colour_video(SCENES)), "r") as source:
        assert picture.size == (source.streams.video[0].width, source.streams.video[0].height)
        assert np.asarray(picture).mean((0, 1)) == pytest.approx(COLOURS["blue"], abs=12)


def test_a_looped_file_has_clips_of_the_right_pass(colour_video: Callable[..., Path], tmp_path: Path) -> None:
    from workers.sources.factory import build_source
    from workers.types import FrameSpec

    path = colour_video([("grey", 3), ("red", 3)])
    spec = CameraSpec("cam", RedactedUrl(str(path)), audio=False, loop=True)
    source = build_source(spec, FrameSpec(32, 32, "squash"))
    passes = 0
    for item in source.items():
        passes = item.segment
        if passes == 2:
            break
    clip = source.clip(9.5, 11.0)  # red of the second pass
    (tmp_path / "a.mp4").write_bytes(clip.content)
    assert colours(tmp_path / "a.mp4")[-1] == "red"
    assert 6.0 <= clip.start <= 9.5 <= clip.end <= 12.1
    source.close()


@pytest.mark.parametrize("off", [{"enabled": False}, {"camera": {"clips": False}}])
def test_without_clips_there_are_snapshots_only(
    colour_video: Callable[..., Path], tmp_path: Path, off: dict[str, Any]
) -> None:
    sink = watched(colour_video([("grey", 3), ("red", 5), ("grey", 5)]), tmp_path, **off)
    assert {e.evidence.clip for e in sink.events} == {None}
    assert sink.events[-1].evidence.snapshot is not None
    assert [*(tmp_path / "evidence").rglob("*.mp4")] == []


def test_the_ring_takes_no_more_than_its_share_of_the_memory_of_decoding() -> None:
    options, limits = ClipOptions(memory=64 << 20), ServiceSettings().limits
    assert options.ring(limits).max_bytes == 64 << 20
    assert options.ring(replace(limits, memory_mib=64)).max_bytes == 16 << 20
    assert options.ring(limits).keep_s == 20.0
