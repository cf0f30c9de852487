"""Parts of real files in one video: packets as they were, the right frames in their order, unlike ones apart."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import pytest

from tests.support.videos.media import make_video
from tests.support.videos.recording import heard_s, shown
from workers.sources.clips import joining
from workers.sources.clips.joining import Order, Part, Shown, join

pytestmark = pytest.mark.timeout(60)


def video(path: Path, seconds: int = 10, **changes: Any) -> Path:
    """Ten numbered frames a second, with a key frame every two seconds."""
    options: dict[str, Any] = {"gop": 20, "audio": (0.0, seconds, 440.0), "b_frames": 2} | changes
    return make_video(path, range(0, 1000 * seconds, 100), **options)


def sizes(path: Path) -> list[int]:
    with av.open(str(path)) as media:
        return [p.size for p in media.demux(video=0) if p.size]


def test_alike_parts_follow_each_other_without_being_encoded_again(tmp_path: Path) -> None:
    day = video(tmp_path / "day.mp4")
    joined = join(Order((Part(str(day), 6.5, 7.95), Part(str(day), 2.0, 3.95))), tmp_path)
    assert joined.failed == {}
    assert joined.videos == ((Shown(0, 0.0, 2.0), Shown(1, 2.0, 2.0)),)
    content = (tmp_path / "0.mp4").read_bytes()
    frames = shown(content)
    assert [number for _, number in frames] == [*range(60, 80), *range(20, 39)]  # a player drops the very last one
    assert [t for t, _ in frames] == pytest.approx([n / 10 for n in range(39)], abs=0.002)
    before = sizes(day)
    assert sizes(tmp_path / "0.mp4") == before[60:80] + before[20:40]
    assert heard_s(content) == pytest.approx(4.0, abs=0.3)


def test_of_unlike_tracks_there_is_one_video_each(tmp_path: Path) -> None:
    parts = [
        Part(str(video(tmp_path / "door.mp4")), 2.0, 3.95),
        Part(str(video(tmp_path / "yard.mp4", size=(128, 96))), 4.0, 5.95),
        Part(str(video(tmp_path / "mute.mp4", audio=None)), 6.0, 7.95),
    ]
    joined = join(Order(tuple(parts)), tmp_path)
    assert [[s.part for s in video] for video in joined.videos] == [[0, 2], [1]]
    content = (tmp_path / "0.mp4").read_bytes()
    assert [number for _, number in shown(content)] == [*range(20, 40), *range(60, 79)]
    assert heard_s(content) == pytest.approx(2.0, abs=0.3)  # the second part has no sound
    assert shown((tmp_path / "1.mp4").read_bytes())[0][1] == 40


def test_what_no_browser_plays_is_encoded_and_only_that(tmp_path: Path) -> None:
    good, old = video(tmp_path / "good.mp4"), video(tmp_path / "old.avi", codec="mpeg4", b_frames=0, audio=None)
    h265 = video(tmp_path / "h265.mp4", codec="libx265", options={"x265-params": "log-level=none"})
    parts = (Part(str(good), 2.0, 3.95), Part(str(old), 4.0, 5.95), Part(str(h265), 0.0, 1.95))
    joined = join(Order(parts), tmp_path)
    assert [video[0].part for video in joined.videos] == [0, 1, 2]
    codecs = []
    for n in range(3):
        with av.open(str(tmp_path / f"{n}.mp4")) as media:
            codecs.append(media.streams.video[0].codec_context.name)
    assert codecs == ["h264", "h264", "hevc"]
    assert sizes(tmp_path / "0.mp4") == sizes(good)[20:40]
    join(Order(parts[2:], h264=True), tmp_path)
    with av.open(str(tmp_path / "0.mp4")) as media:
        assert media.streams.video[0].codec_context.name == "h264"


def test_a_part_that_cannot_be_read_is_named_and_no_other_is_lost(tmp_path: Path) -> None:
    good = video(tmp_path / "good.mp4")
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    gone = str(tmp_path / "gone.mp4")
    order = Order((Part(gone, 0.0, 1.0), Part(str(tmp_path / "bad.mp4"), 0.0, 1.0), Part(str(good), 99.0, 101.0)))
    joined = join(Order((*order.parts, Part(str(good), 0.0, 1.95))), tmp_path)
    assert [[s.part for s in video] for video in joined.videos] == [[3]]
    assert set(joined.failed) == {0, 1, 2}


def test_what_would_not_fit_into_memory_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = str(video(tmp_path / "good.mp4"))
    monkeypatch.setattr(joining, "MAX_BYTES", sum(sizes(Path(good))[:20]) + 25_000)
    joined = join(Order((Part(good, 0.0, 1.95), Part(good, 2.0, 9.9), Part(good, 4.0, 4.2))), tmp_path)
    assert [[s.part for s in video] for video in joined.videos] == [[0]]
    assert set(joined.failed) == {1, 2}


@pytest.mark.process
def test_as_a_process(tmp_path: Path) -> None:
    good = video(tmp_path / "good.mp4")
    order = {"parts": [{"path": str(good), "start": 2.0, "end": 3.95}], "blur_faces": False, "h264": True}
    command = [sys.executable, "-P", "-m", "workers.sources.clips.joining", str(tmp_path)]
    done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"videos": [[{"part": 0, "at": 0.0, "seconds": 2.0}]], "failed": {}}
    assert shown((tmp_path / "0.mp4").read_bytes())[0][1] == 20
