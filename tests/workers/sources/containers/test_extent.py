"""A file is truncated if its end is missing, and not because its frames are rare, reordered, or begin late."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.support.videos.media import every, make_video, number_of, picture, read_all, tone

RATE = 44100


def made(path: Path, step_ms: int, start_ms: int = 0, audio: bool = False, seconds: int = 40) -> Path:
    """Frames that show their number, one a step, decoded in another order than shown."""
    x264 = {"x264-params": "bframes=3:b-adapt=0:b-pyramid=normal:scenecut=0:rc-lookahead=4"}
    times = every(step_ms, 1000 * seconds // step_ms, start_ms)
    sound = (start_ms / 1000, float(seconds), 440.0) if audio else None
    return make_video(path, times, options=x264, gop=8, b_frames=3, audio=sound)


CONTAINERS = ["a.mp4", "a.mov", "a.mkv", "a.flv", "a.nut"]
LATE_MS = 100_000
SWEEP = [(name, step_ms, 0) for name in CONTAINERS for step_ms in (250, 1000, 5000)] + [
    (name, step_ms, LATE_MS) if step_ms == 1000 else pytest.param(name, step_ms, LATE_MS, marks=pytest.mark.long)
    for name in CONTAINERS
    for step_ms in (250, 1000, 5000)
]


@pytest.mark.parametrize(("name", "step_ms", "start_ms"), SWEEP)
def test_rare_frames_with_b_frames_have_their_times_and_lack_nothing(
    name: str, step_ms: int, start_ms: int, tmp_path: Path
) -> None:
    got = read_all(made(tmp_path / name, step_ms, start_ms, audio=start_ms > 0))
    apart = max(step_ms, 1000) // step_ms  # frames from one sample to the next
    shown = [(number_of(f), t) for f, t in zip(got.frames, got.pts, strict=True)]
    frames = [shown[0], *(b for a, b in pairwise(shown) if a[0] != b[0])]  # a still one is repeated
    assert [number for number, _ in frames] == list(range(0, 40_000 // step_ms, apart))
    assert [t for _, t in frames] == pytest.approx([n * step_ms / 1000 for n, _ in frames], abs=0.05)
    assert got.snapshot.last_error is None
    assert got.snapshot.dropped == {}
    assert set(got.segments) == {0}


@pytest.mark.parametrize("start_ms", [0, 5_000])
@pytest.mark.parametrize("name", ["a.mkv", "a.flv"])
def test_a_file_that_was_cut_off_is_told(name: str, start_ms: int, tmp_path: Path) -> None:
    path = made(tmp_path / name, 1000, start_ms, audio=True)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    got = read_all(path)
    assert "truncated: " in (got.snapshot.last_error or "")
    assert 15 < got.pts[-1] < 30


def test_a_longer_track_that_is_not_read_makes_no_file_truncated(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", every(100, 100), audio=(0.0, 60.0, 440.0))
    assert read_all(path, audio=False).snapshot.last_error is None
    untagged = path.with_name("b.mkv")
    untagged.write_bytes(path.read_bytes().replace(b"DURATION", b"NOTHING_"))
    assert read_all(untagged, audio=False).snapshot.last_error is None


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.nut"])
def test_a_video_that_lies_behind_a_minute_of_its_sound_keeps_its_place(name: str, tmp_path: Path) -> None:
    with av.open(str(tmp_path / name), "w", options={"max_interleave_delta": "1"}) as out:
        video: Any = out.add_stream("libx264", rate=1)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        sound: Any = out.add_stream("aac", rate=RATE, layout="mono")
        frames, blocks = [], []
        for n in range(60):
            frame = av.VideoFrame.from_ndarray(picture(n), format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1)
            frames += video.encode(frame)
        for i in range(0, 60 * RATE, 1024):
            block = av.AudioFrame.from_ndarray(tone(i / RATE, 1024 / RATE, 440.0, RATE)[None], "fltp", "mono")
            block.sample_rate, block.pts, block.time_base = RATE, i, Fraction(1, RATE)
            blocks += sound.encode(block)
        for packet in (*blocks, *sound.encode(None), *frames, *video.encode(None)):
            out.mux(packet)
    got = read_all(tmp_path / name)
    assert list(got.pts) == pytest.approx(list(np.arange(60.0)), abs=0.05)
    assert [number_of(f) for f in got.frames] == list(range(60))
    assert set(got.segments) == {0}
    assert got.snapshot.last_error is None
