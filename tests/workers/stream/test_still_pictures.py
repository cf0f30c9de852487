"""A frame of a file is shown until the next one: what stands still for long is seen for as long."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from alignment.aligners.similarity import SimilarityAligner
from alignment.types import EventQuery
from tests.support.streams.pipelines import COLOURS, ColourEncoder, MemorySink, services_of
from workers.clock import SystemClock
from workers.redaction import RedactedUrl
from workers.sources.decode.interleave import Interleaver
from workers.sources.decode.packets import Sampled
from workers.sources.decode.scaling import FrameScaler
from workers.sources.factory import build_source
from workers.stream.pipeline import StreamPipeline
from workers.types import CameraSpec, EventSpec, FrameBatch, FrameSpec, Utterance, VoicedChunk

Shown = Sequence[tuple[float, str]]  # from when on, and the colour
END = 84.0


def every(step_s: float) -> list[tuple[float, str]]:
    """Return frames of a screen that is red from 12 to 72 s, at a constant rate."""
    return [(i * step_s, "red" if 12 <= i * step_s < 72 else "grey") for i in range(round(END / step_s))]


CHANGES = [f for f in every(0.1) if not 12.05 < f[0] < 71.95]  # what a screen recorder writes: nothing while red stands


def write(path: Path, shown: Shown, sound: bool = False, last_s: float = 0.1, end_s: float = END) -> Path:
    """Encode frames at their times, the last of ``last_s``, with silence up to ``end_s`` where ``sound`` is wanted."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"x264-params": "bframes=0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        track: Any = out.add_stream("aac", rate=16000, layout="mono") if sound else None
        packets: list[Any] = []
        for t, colour in shown:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), COLOURS[colour], np.uint8))
            frame.pts, frame.time_base = round(t * 1000), Fraction(1, 1000)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        packets[-1].duration = round(last_s / packets[-1].time_base)
        for i in range(round(end_s * 16) if track else 0):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1000), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts, silence.time_base = 16000, i * 1000, Fraction(1, 16000)
            packets += track.encode(silence)
        packets += track.encode(None) if track else []
        for packet in sorted(packets, key=lambda p: float(p.dts * p.time_base)):
            out.mux(packet)
    return path


class SeenOrSaid(ColourEncoder):
    """Takes every description for something that is seen or said, so that there is listening; counts frames."""

    frames = 0

    def build_queries(self, specs: Sequence[EventSpec]) -> tuple[EventQuery, ...]:
        prior = np.array([1, 0.5, 0], np.float32)
        return tuple(replace(query, prior=prior) for query in super().build_queries(specs))

    def encode_frames(self, frames: np.ndarray) -> "Future[np.ndarray]":
        self.frames += len(frames)
        return super().encode_frames(frames)


class NothingSaid:
    """A transcriber."""

    def submit(self, chunk: VoicedChunk, wait: bool) -> "Future[tuple[Utterance, ...]]":
        answer: Future[tuple[Utterance, ...]] = Future()
        answer.set_result(())
        return answer


def events(path: Path, fps: float = 1.0) -> tuple[list[tuple[float, float]], SeenOrSaid]:
    """Watch for red; return from when to when it was seen."""
    encoder, sink = SeenOrSaid(), MemorySink()
    camera, description = CameraSpec("cam", RedactedUrl(str(path)), fps=fps), encoder.describe()
    aligner, services = SimilarityAligner(description.calibration), services_of(encoder, sink, NothingSaid())
    source = build_source(camera, description.frame_spec)
    StreamPipeline(camera, (EventSpec("red", ("red",)),), source, aligner, services).run()
    return [(e.start, e.end) for e in sink.events if e.type == "end"], encoder


@pytest.mark.parametrize("name", ["shown.mp4", "shown.mkv"])
@pytest.mark.parametrize("sound", [False, True], ids=["silent", "with sound"])
@pytest.mark.parametrize("shown", [CHANGES, every(6.0), every(3.0)], ids=["one frame", "every 6 s", "every 3 s"])
def test_a_picture_that_stands_still_is_one_event(shown: Shown, sound: bool, name: str, tmp_path: Path) -> None:
    found, encoder = events(write(tmp_path / name, shown, sound))
    assert found == [(pytest.approx(12, abs=0.6), pytest.approx(72, abs=0.6))]
    assert encoder.frames < END / 2, "a picture that stands is encoded again at every sixteenth step only"


@pytest.mark.parametrize("sound", [False, True], ids=["silent", "with sound"])
def test_the_last_picture_stands_to_its_end(sound: bool, tmp_path: Path) -> None:
    shown = every(6.0)[:7]  # the last one is red, of 36 s
    found, encoder = events(write(tmp_path / "shown.mp4", shown, sound, last_s=40.0))
    assert found == [(pytest.approx(12, abs=0.6), pytest.approx(76, abs=0.6))]
    assert encoder.frames == 7 + 3


@pytest.mark.parametrize(("seconds", "sound"), [(3500.0, False), (300.0, True)], ids=["an hour", "with sound"])
def test_a_picture_may_stand_for_longer_than_a_window(seconds: float, sound: bool, tmp_path: Path) -> None:
    shown = [(0.0, "grey"), (10.0, "red"), (10.0 + seconds, "grey"), (20.0 + seconds, "grey")]
    found, encoder = events(write(tmp_path / "shown.mp4", shown, sound, end_s=20.0 + seconds))
    assert found == [(pytest.approx(10, abs=0.6), pytest.approx(10 + seconds, abs=0.6))]
    assert encoder.frames <= len(shown) + seconds / 16 + 1


@pytest.mark.parametrize("fps", [0.5, 1.0, 2.0, 7.0, 10.0])
def test_where_frames_come_often_enough_none_is_repeated(fps: float, tmp_path: Path) -> None:
    path = write(tmp_path / "shown.mkv", every(0.1))
    found, encoder = events(path, fps)
    assert found == [(pytest.approx(12, abs=0.6 / fps), pytest.approx(72, abs=0.6 / fps))]
    assert encoder.frames == END * fps


def test_a_cut_between_recordings_stays_one(tmp_path: Path) -> None:
    """Two parts of one transport stream, the second 20 s later by its time stamps: nothing stands in between."""
    parts = [(t / 10, "red") for t in range(50)] + [(25 + t / 10, "grey" if t < 50 else "red") for t in range(100)]
    found, _ = events(write(tmp_path / "cut.ts", parts))
    assert found == [
        (pytest.approx(0, abs=0.6), pytest.approx(5, abs=0.6)),
        (pytest.approx(10, abs=0.6), pytest.approx(15, abs=0.6)),
    ]


def test_a_picture_that_stands_for_a_day_is_given_as_it_is_taken() -> None:
    gather = Interleaver("cam", FrameScaler(FrameSpec(8, 8, "squash")), SystemClock(), True, step_s=1.0)
    frame = av.VideoFrame.from_ndarray(np.zeros((8, 8, 3), np.uint8))
    assert not list(gather.frame(Sampled(frame, 0.0, 0)))
    items = gather.frame(Sampled(frame, 86_400.0, 0))
    first = next(items)
    assert isinstance(first, FrameBatch)
    assert first.pts_s[-1] < 300
    given = [t for batch in items if isinstance(batch, FrameBatch) for t in batch.pts_s]
    assert given[-1] > 86_000
