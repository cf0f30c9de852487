"""Clips and frames of real encoded video, decoded again: the right frames at the right times, playable everywhere."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests.support.videos.media import make_video, number_of
from tests.support.videos.recording import heard_s, recorded, shown, spec
from workers.errors import ClipUnavailable
from workers.sources.clips.coded import Recording
from workers.sources.clips.making import make_clip, make_picture
from workers.sources.live.packet_ring import PacketRing
from workers.time_note import read_note
from workers.types import Clip, MediaLimits

pytestmark = pytest.mark.timeout(60)
HALF = ((((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))),)  # the left half
STEP_MS = 100


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes ten seconds of ten numbered frames a second, with a key frame every two seconds."""

    def make(name: str, **changes: Any) -> Path:
        options: dict[str, Any] = {"gop": 20, "audio": (0.0, 10.0, 440.0), "b_frames": 2} | changes
        return make_video(tmp_path / name, range(0, 10_000, STEP_MS), **options)

    return make


def clip_of(path: Path, start: float, end: float, ring: PacketRing | None = None, **changes: Any) -> Clip:
    found = (ring or recorded(path)).cut(start, end)
    assert found is not None
    return make_clip(found, start, spec(path, **changes), live=True)


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.flv"])
def test_a_clip_starts_with_the_key_frame_before_and_shows_each_frame_in_its_time(
    made: Callable[..., Path], name: str
) -> None:
    clip = clip_of(made(name), 5.0, 8.0)
    frames = shown(clip.content)
    assert frames[0] == (0.0, 40)
    assert [number for _, number in frames] == list(range(40, 40 + len(frames)))
    assert [t for t, _ in frames] == pytest.approx([n / 10 for n in range(len(frames))], abs=0.002)
    assert 78 <= frames[-1][1] <= 82
    assert clip.start == pytest.approx(4.0, abs=0.12)  # a transport stream begins with its audio
    assert heard_s(clip.content) == pytest.approx(clip.end - clip.start, abs=0.3)


def test_the_index_lies_before_the_media_and_says_which_time_is_shown(made: Callable[..., Path]) -> None:
    clip = clip_of(made("a.mkv"), 5.0, 8.0)
    assert clip.content.find(b"moov") < clip.content.find(b"mdat")
    assert read_note(clip.content) == pytest.approx((clip.start, clip.end), abs=0.001)


def test_packets_are_copied_and_not_encoded_again(made: Callable[..., Path]) -> None:
    path = made("a.mkv")
    with av.open(str(path)) as media:
        sizes = [p.size for p in media.demux(video=0) if p.size][40:60]
    with av.open(BytesIO(clip_of(path, 5.0, 8.0).content), "r") as copied:
        assert [p.size for p in copied.demux(copied.streams.video[0]) if p.size][:20] == sizes


def test_h265_is_offered_as_it_is_under_the_name_that_phones_know(made: Callable[..., Path]) -> None:
    path = made("a.mkv", codec="libx265", options={"x265-params": "log-level=none:keyint=20:min-keyint=20:scenecut=0"})
    clip = clip_of(path, 5.0, 8.0)
    with av.open(BytesIO(clip.content), "r") as media:
        context = media.streams.video[0].codec_context
        assert (context.name, context.codec_tag) == ("hevc", "hvc1")
    assert shown(clip.content)[0] == (0.0, 40)


@pytest.mark.parametrize(("codec", "pix_fmt"), [("mjpeg", "yuvj420p"), ("libx264", "yuv444p")])
def test_what_no_browser_plays_is_encoded_as_h264(made: Callable[..., Path], codec: str, pix_fmt: str) -> None:
    path = made("a.mkv", codec=codec, pix_fmt=pix_fmt, b_frames=0)
    clip = clip_of(path, 5.0, 8.0)
    with av.open(BytesIO(clip.content), "r") as media:
        context = media.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    frames = shown(clip.content)
    with av.open(str(path)) as media:
        numbers = [number_of(f.to_ndarray(format="rgb24")) for f in media.decode(media.streams.video[0])]
    assert frames[0][0] == 0.0  # what is encoded again starts where it was asked to
    assert [number for _, number in frames] == numbers[50 : 50 + len(frames)]


def test_audio_that_browsers_do_not_play_becomes_aac(tmp_path: Path) -> None:
    path = make_video(tmp_path / "video.mkv", range(0, 4000, 100), gop=10)
    with av.open(str(path)) as media, av.open(str(tmp_path / "a.mov"), "w") as out:
        video, sound = out.add_stream_from_template(media.streams.video[0]), out.add_stream("pcm_alaw", rate=8000)
        sound.layout = "mono"
        for packet in media.demux(video=0):
            if packet.size:
                packet.stream = video
                out.mux(packet)
        samples = (np.sin(np.arange(32_000) * 0.3) * 20_000).astype(np.int16)
        for at in range(0, len(samples), 160):
            frame = av.AudioFrame.from_ndarray(samples[None, at : at + 160], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 8000, at
            out.mux(sound.encode(frame))
    clip = clip_of(tmp_path / "a.mov", 1.0, 3.0)
    with av.open(BytesIO(clip.content), "r") as media:
        assert media.streams.audio[0].codec_context.name == "aac"
    assert heard_s(clip.content) == pytest.approx(2.0, abs=0.2)


def test_sound_alone_is_a_clip_as_well(tmp_path: Path) -> None:
    path = tmp_path / "a.mka"
    with av.open(str(path), "w", format="matroska") as out:
        sound = out.add_stream("aac", rate=16_000, layout="mono")
        for at in range(0, 160_000, 1024):
            wave = np.sin(np.arange(at, at + 1024) * 0.2).astype(np.float32)[None] * 0.5
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, at
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    clip = clip_of(path, 5.0, 8.0)
    assert (clip.start, clip.end) == (pytest.approx(5.0, abs=0.1), pytest.approx(8.0, abs=0.1))
    assert heard_s(clip.content) == pytest.approx(3.0, abs=0.2)


def test_what_a_mask_hides_is_in_no_clip_and_no_picture(made: Callable[..., Path]) -> None:
    path = made("a.mkv")
    clip = clip_of(path, 5.0, 7.0, masks=HALF)
    with av.open(BytesIO(clip.content), "r") as media:
        frames = [f.to_ndarray(format="rgb24") for f in media.decode(media.streams.video[0])]
    assert len(frames) >= 15
    assert all(f[:, 52:].max() < 24 for f in frames)
    assert all(f[:, :44].max() > 60 for f in frames)
    found = recorded(path).cut(6.0, 6.0)
    assert found is not None
    picture = np.asarray(Image.open(BytesIO(make_picture(found, 6.0, spec(path, masks=HALF), live=True))))
    assert picture[:, 52:].max() < 24 < picture[:, :44].max()


def test_faces_are_hidden_in_every_frame_of_a_clip(made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[tuple[int, ...]]()

    def detect(frame: np.ndarray, score: float) -> tuple[np.ndarray, np.ndarray]:
        asked.append(frame.shape)
        height, width = frame.shape[:2]
        return np.array([[0, 0, width, height, 1.0]], np.float32), np.empty((1, 10))

    monkeypatch.setattr("workers.sources.decode.faces.load_detector", lambda: detect)
    clip = clip_of(made("a.mkv"), 5.0, 7.0, blur_faces=True)
    with av.open(BytesIO(clip.content), "r") as media:
        frames = [f.to_ndarray(format="rgb24").astype(int) for f in media.decode(media.streams.video[0])]
    assert len(frames) == len(asked) >= 8  # five a second
    assert set(asked) == {(128, 192, 3)}  # twice the size of what is shown
    for frame in frames:  # nothing but nine blocks is left of it
        assert np.abs(np.diff(frame[10, 4:28], axis=0)).max() < 12


def test_a_picture_is_the_whole_frame_of_its_time(made: Callable[..., Path]) -> None:
    path = made("a.mkv", size=(1920, 1080), audio=None, options={"preset": "ultrafast"}, gop=10)
    found = recorded(path).cut(6.3, 6.3)
    assert found is not None
    content = make_picture(found, 6.3, spec(path), live=True)
    with Image.open(BytesIO(content)) as picture:
        assert picture.size == (1280, 720)
        assert number_of(np.asarray(picture)) == 63
    assert read_note(content) == (6.3, 6.3)


def test_video_without_a_key_frame_is_decoded_as_far_as_it_goes(made: Callable[..., Path]) -> None:
    found = recorded(made("a.mkv", audio=None)).cut(4.0, 8.0)
    assert found is not None
    headless = Recording(found.tracks, [replace_entry(p) for p in found.packets[1:]])
    clip = make_clip(headless, 4.0, spec(Path("a")), live=True)
    with av.open(BytesIO(clip.content), "r") as media:
        assert media.streams.video[0].codec_context.name == "h264"


def replace_entry(packet: Any) -> Any:
    return packet._replace(entry=False)


def test_damaged_packets_cost_no_more_than_themselves(made: Callable[..., Path]) -> None:
    found = recorded(made("a.mkv")).cut(4.0, 8.0)
    assert found is not None
    garbled = [p._replace(data=b"\xff" * len(p.data)) if i % 7 == 3 else p for i, p in enumerate(found.packets)]
    clip = make_clip(replace(found, packets=garbled), 4.0, spec(Path("a")), live=True)
    assert len(clip.content) > 1000
    nothing = [p._replace(data=b"\xff" * len(p.data)) for p in found.packets]
    with pytest.raises(ClipUnavailable):
        make_picture(replace(found, packets=nothing), 5.0, spec(Path("a")), live=True)


def test_no_more_is_decoded_than_the_limits_of_the_camera_allow(made: Callable[..., Path]) -> None:
    path = made("a.mkv", audio=None, size=(640, 360))
    found = recorded(path).cut(5.0, 8.0)
    assert found is not None
    small = MediaLimits(max_pixels=1000)
    with pytest.raises(ClipUnavailable):
        make_picture(found, 6.0, spec(path, limits=small), live=True)
    slow = MediaLimits(
        max_pixel_rate=10 * 640 * 360 // 33
    )  # ten frames in the time of the clip and what is allowed for
    clip = make_clip(found, 4.0, spec(path, masks=HALF, limits=slow), live=True)
    assert 5 <= len(shown(clip.content)) <= 12
