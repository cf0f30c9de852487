"""Sampled frames are the very frames of a full decode, whatever the GOP structure."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.support.videos.media import SPEC, every, make_video, number_of, read_all
from workers.sources.decode import gop
from workers.sources.decode.packets import Grid
from workers.sources.decode.scaling import FrameScaler


def full_decode(path: Path, fps: float) -> tuple[list[float], np.ndarray]:
    """Decode every frame on one thread, then sample."""
    grid, scaler = Grid(fps), FrameScaler(SPEC)
    with av.open(str(path)) as container:
        stream: Any = container.streams.video[0]
        stream.codec_context.thread_count = 1
        zero = float(stream.start_time * stream.time_base)
        timed = [(f.pts * float(stream.time_base) - zero, f) for f in container.decode(stream)]
        wanted = [(t, scaler(f)) for t, f in timed if grid.take(t)]
    return [t for t, _ in wanted], np.stack([p for _, p in wanted])


VFR = every(33, 60) + every(200, 20, 2100) + every(66, 50, 6200)
STRUCTURES: dict[str, dict[str, Any]] = {
    "no B-frames": {"options": {"bf": "0"}, "suffix": "mp4"},
    "B pyramid": {"options": {"bf": "3", "b-pyramid": "normal", "x264-params": "bframes=3"}, "suffix": "mp4"},
    "open GOP": {"options": {"x264-params": "open-gop=1:bframes=3:keyint=12:scenecut=0"}, "suffix": "mkv"},
    "open GOP, TS": {"options": {"x264-params": "open-gop=1:bframes=3:keyint=12:scenecut=0"}, "suffix": "ts"},
    "one long GOP": {"options": {"x264-params": "bframes=3:keyint=infinite:scenecut=0"}, "suffix": "mp4", "gop": 9999},
    "variable rate": {"times_ms": VFR, "suffix": "mp4"},
    "MPEG-4 with B-frames": {"codec": "mpeg4", "b_frames": 2, "suffix": "mp4"},
    "MPEG-4 in AVI": {"codec": "mpeg4", "suffix": "avi"},
    "MPEG-2": {"codec": "mpeg2video", "b_frames": 2, "suffix": "ts"},
    "HEVC": {
        "codec": "libx265",
        "options": {"x265-params": "keyint=12:bframes=4:log-level=none:open-gop=0"},
        "suffix": "mp4",
    },
    "HEVC, open GOP": {
        "codec": "libx265",
        "options": {"x265-params": "keyint=12:bframes=4:log-level=none"},
        "suffix": "mkv",
    },
    "VP9": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}, "suffix": "webm"},
    "VP8 with hidden frames": {
        "codec": "libvpx",
        "options": {"auto-alt-ref": "1", "lag-in-frames": "10", "cpu-used": "4"},
        "suffix": "webm",
    },
    "AV1": {"codec": "libsvtav1", "options": {"preset": "12"}, "suffix": "mkv"},
    "MJPEG": {"codec": "mjpeg", "pix_fmt": "yuvj420p", "suffix": "mkv"},
}


@pytest.mark.parametrize("fps", [0.5, 1.0, 3.0, 25.0])
@pytest.mark.parametrize("name", STRUCTURES)
def test_sampled_frames_are_those_of_a_full_decode(
    tmp_path: Path, name: str, fps: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = dict(STRUCTURES[name])
    suffix, times = form.pop("suffix"), form.pop("times_ms", every(40, 150))
    path = make_video(tmp_path / f"clip.{suffix}", times, **form)
    monkeypatch.setattr(gop, "MAX_HELD", 40)  # the long GOP must go in parts
    times_s, pictures = full_decode(path, fps)
    got = read_all(path, fps=fps)
    np.testing.assert_allclose(got.pts, times_s, atol=1e-6)
    np.testing.assert_array_equal(got.frames, pictures)
    assert not got.snapshot.dropped


@pytest.mark.parametrize("fps", [0.5, 1.0, 3.0])
def test_intra_refresh_without_true_keyframes_is_decoded_right_through(tmp_path: Path, fps: float) -> None:
    options = {"x264-params": "intra-refresh=1:keyint=25:bframes=2"}
    path = make_video(tmp_path / "clip.ts", every(40, 150), options=options)
    times_s, pictures = full_decode(path, fps)
    got = read_all(path, fps=fps)
    np.testing.assert_allclose(got.pts, times_s, atol=1e-6)
    np.testing.assert_array_equal(got.frames, pictures)


def test_frames_show_what_was_shown_at_their_time(tmp_path: Path) -> None:
    path = make_video(tmp_path / "clip.mp4", VFR)
    got = read_all(path, fps=2)
    assert [VFR[number_of(f)] for f in got.frames] == [round(t * 1000) for t in got.pts]


def test_far_fewer_frames_are_decoded_than_there_are(tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "clip.mp4", every(40, 200), gop=50, options={"x264-params": "bframes=3:keyint=50:scenecut=0"}
    )
    got = read_all(path, fps=0.5)
    assert len(got.pts) == 4
    assert got.snapshot.frames_decoded == 4  # each on its keyframe


def test_keyframe_tier_gives_keyframes_and_nothing_else(tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "clip.mp4", every(40, 200), gop=50, options={"x264-params": "bframes=3:keyint=50:scenecut=0"}
    )
    got = read_all(path, fps="keyframes")
    assert [number_of(f) for f in got.frames] == [0, 50, 100, 150]
    assert got.snapshot.frames_decoded == 4


def test_keyframe_tier_falls_back_to_one_frame_a_second_on_long_gops(tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "clip.mp4", every(100, 150), gop=9999, options={"x264-params": "keyint=infinite:scenecut=0"}
    )
    got = read_all(path, fps="keyframes")
    assert [number_of(f) for f in got.frames] == list(range(0, 150, 10))


def test_keyframe_tier_is_not_every_frame_of_an_intra_only_codec(tmp_path: Path) -> None:
    path = make_video(tmp_path / "clip.mkv", every(40, 60), codec="mjpeg", pix_fmt="yuvj420p")
    assert [number_of(f) for f in read_all(path, fps="keyframes").frames] == [0, 25, 50]
