"""Frames by time: decord and the seek that stands in for it give the same ones."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.videos.media import every, make_video, number_of
from workers.errors import SourceInvalid, SourceNotFound
from workers.sources import random_access
from workers.sources.random_access import read_frames_at
from workers.types import FrameSpec

SPEC = FrameSpec(48, 32, "crop")
TIMES = [3.01, 0.0, 1.0, 1.0, 5.5, 99.0]


@pytest.fixture(params=["decord", "seek"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "seek":
        monkeypatch.setattr(random_access, "_by_decord", _broken)
    return str(request.param)


def _broken(*_: object) -> None:
    raise RuntimeError("decord cannot read this one")


def test_first_frame_at_or_after_each_time_in_the_order_asked(tmp_path: Path, way: str) -> None:
    path = make_video(tmp_path / "a.mp4", every(40, 150), gop=50)
    pts, frames = read_frames_at(str(path), TIMES, SPEC)
    assert [number_of(f) for f in frames] == [76, 0, 25, 25, 138, 149]
    np.testing.assert_allclose(pts, [3.04, 0, 1, 1, 5.52, 5.96], atol=1e-3)
    assert frames.shape == (6, 32, 48, 3)
    assert frames.dtype == np.uint8


def test_late_picture_is_on_the_common_clock(tmp_path: Path, way: str) -> None:
    path = make_video(tmp_path / "a.mp4", every(40, 50, 1000), audio=(0.0, 3.0, 440.0))
    pts, frames = read_frames_at(str(path), [0.0, 2.0], SPEC)
    assert [number_of(f) for f in frames] == [0, 25]
    np.testing.assert_allclose(pts, [1.0, 2.0], atol=0.03)


def test_many_windows(tmp_path: Path, way: str) -> None:
    path = make_video(tmp_path / "a.mp4", every(100, 150))
    _, frames = read_frames_at(str(path), np.arange(140) / 10, SPEC)
    assert [number_of(f) for f in frames] == list(range(140))


def test_errors_are_ours(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film" * 100)
    with pytest.raises(SourceInvalid):
        read_frames_at(str(tmp_path / "text.mp4"), [0.0], SPEC)
    with pytest.raises(SourceNotFound):
        read_frames_at(str(tmp_path / "gone.mp4"), [0.0], SPEC)
