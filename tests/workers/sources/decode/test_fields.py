"""Field pictures: two packets give one frame. The frames are those of the same pictures in one packet each."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.videos.fields import field_video
from tests.support.videos.media import number_of, read_all
from tests.support.videos.playing import SCALE, play

KINDS: dict[str, dict[str, Any]] = {
    "fields": {},
    "frames and fields": {"is_frame": lambda n: n % 5 < 2},  # the encoder chooses anew for each picture
    "fields that nothing refers to": {"is_reference": lambda n: n % 2 == 0},
    "fields that share a time stamp": {"one_stamp": True},
    "one GOP without end": {"gop": 9999},
}


@pytest.fixture(scope="module", params=KINDS)
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return field_video(tmp_path_factory.mktemp("fields") / "a.ts", 60, **KINDS[request.param])


def chosen(count: int, fps: float, start: float = 0.0) -> list[int]:
    """Return the numbers of the pictures, ten a second from ``start`` on, that come first in each step."""
    return sorted({int((start + n / 10) * fps + 1e-6): n for n in reversed(range(count))}.values())


@pytest.mark.parametrize("fps", [1.0, 3.0, 20.0])
def test_a_file_gives_the_frames_of_whole_pictures(video: Path, fps: float) -> None:
    got = read_all(video, fps=fps)
    numbers = [number_of(f) for f in got.frames]
    assert numbers == chosen(60, fps)
    np.testing.assert_allclose(got.pts, np.array(numbers) / 10, atol=1e-6)
    assert not got.snapshot.dropped


@pytest.mark.parametrize("fps", [1.0, 3.0, 20.0])
@pytest.mark.parametrize("start", [0.0, 0.95])  # a first or a second field begins a step
def test_a_live_stream_gives_the_frames_of_whole_pictures(video: Path, fps: float, start: float) -> None:
    got, _ = play(video, fps, start=start)
    numbers = [number_of(SCALE(s.frame)) for _, s in got]
    assert numbers == chosen(60, fps, start)
    np.testing.assert_allclose([s.t for _, s in got], start + np.array(numbers) / 10, atol=1e-6)


def test_a_live_stream_that_is_joined_at_a_second_field(tmp_path: Path) -> None:
    got, _ = play(field_video(tmp_path / "a.ts", 60), 1.0, skip=7)
    assert [number_of(SCALE(s.frame)) for _, s in got] == [20, 30, 40, 50]


def test_a_gop_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.sources.decode.gop.MAX_HELD", 15)
    got = read_all(field_video(tmp_path / "a.ts", 60, gop=9999), fps=3.0)
    assert [number_of(f) for f in got.frames] == chosen(60, 3.0)


def test_only_what_the_samples_need_is_decoded(tmp_path: Path) -> None:
    path = field_video(tmp_path / "a.ts", 60, is_reference=lambda n: False)
    assert read_all(path, fps=1.0).snapshot.frames_decoded == 6
    _, decoded = play(path, 1.0)
    assert decoded == 6


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_containers_with_lengths_before_each_unit(tmp_path: Path, suffix: str) -> None:
    stream = field_video(tmp_path / "a.ts", 60, **KINDS["frames and fields"])
    path = tmp_path / f"a.{suffix}"
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(stream), "-c", "copy", str(path)], check=True)
    assert [number_of(f) for f in read_all(path, fps=3.0).frames] == chosen(60, 3.0)


def test_keyframes_only(tmp_path: Path) -> None:
    got = read_all(field_video(tmp_path / "a.ts", 60), fps="keyframes")
    assert [number_of(f) for f in got.frames] == [0, 20, 40]
