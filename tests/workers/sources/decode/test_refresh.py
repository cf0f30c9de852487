"""Periodic intra refresh: no key frame after the first, or key frames that need the packets before them."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.videos.media import every, make_video, number_of, read_all
from tests.support.videos.playing import SCALE, play

REFRESH = "intra-refresh=1:keyint=20:scenecut=0:bframes=0"
KINDS: dict[str, dict[str, Any]] = {
    "recovery points": {"options": {"x264-params": REFRESH}},
    "recovery points in slices": {"options": {"x264-params": f"{REFRESH}:slices=2"}},
    "interlaced": {"options": {"x264-params": f"{REFRESH}:interlaced=1"}},
    "B-frames": {"options": {"x264-params": "intra-refresh=1:keyint=20:scenecut=0:bframes=2:b-adapt=0"}},
    "HEVC, nothing is flagged": {
        "codec": "libx265",
        "options": {"x265-params": f"{REFRESH}:repeat-headers=1:log-level=none"},
    },
}


def refreshing(path: Path, kind: str) -> Path:
    """Write 15 s of ten pictures a second that are refreshed in two."""
    return make_video(path, every(100, 150), gop=20, **KINDS[kind])


def unflagged(path: Path) -> Path:
    """Write the same without the messages that mark recovery points, as some encoders do."""
    whole = refreshing(path.with_name("whole.ts"), "recovery points")
    command = ["ffmpeg", "-v", "error", "-i", str(whole), "-c", "copy", "-bsf:v", "filter_units=remove_types=6"]
    subprocess.run([*command, str(path)], check=True)
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fps", [1.0, 3.0])
def test_a_live_stream_gives_as_many_frames_as_any_other(tmp_path: Path, kind: str, fps: float) -> None:
    got, _ = play(refreshing(tmp_path / "a.ts", kind), fps)
    numbers = [number_of(SCALE(s.frame)) for _, s in got]
    assert numbers == sorted({int(n * fps / 10 + 1e-6): n for n in reversed(range(150))}.values())


@pytest.mark.parametrize("kind", [k for k in KINDS if "HEVC" not in k])
@pytest.mark.parametrize("skip", [1, 19, 20, 21, 33])
def test_who_joins_in_the_middle_sees_frames_when_a_refresh_is_complete(tmp_path: Path, kind: str, skip: int) -> None:
    got, _ = play(refreshing(tmp_path / "a.ts", kind), 1.0, skip=skip)
    numbers = [number_of(SCALE(s.frame)) for _, s in got]
    assert numbers[0] <= skip + 42  # the next recovery point, and the refresh that begins there
    assert numbers[1:] == [n for n in range(0, 150, 10) if n > numbers[0]]
    assert all(abs(number_of(SCALE(s.frame)) / 10 - s.t) < 0.01 for _, s in got)


@pytest.mark.parametrize("codec", ["H.264", "HEVC"])
def test_a_stream_without_any_key_frame_is_seen_when_it_must_be_complete(
    tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.sources.decode.lazy.JOINED_S", 4.0)
    path = tmp_path / "a.ts"
    path = unflagged(path) if codec == "H.264" else refreshing(path, "HEVC, nothing is flagged")
    got, _ = play(path, 1.0, skip=7)
    assert [number_of(SCALE(s.frame)) for _, s in got][1:] == list(range(50, 150, 10))


def test_a_key_frame_ends_the_wait(tmp_path: Path) -> None:
    """What came before it is not shown, not even if it decodes."""
    options = {"x264-params": "keyint=50:scenecut=0:bframes=0"}
    got, _ = play(make_video(tmp_path / "a.ts", every(100, 150), options=options), 5.0, skip=20)
    assert [number_of(SCALE(s.frame)) for _, s in got] == list(range(50, 150, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_keyframes_only_falls_back_to_one_a_second(tmp_path: Path, kind: str) -> None:
    got = read_all(refreshing(tmp_path / "a.mp4", kind), fps="keyframes")
    assert [number_of(f) for f in got.frames][-10:] == list(range(50, 150, 10))
