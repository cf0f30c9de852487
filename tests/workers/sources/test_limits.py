"""Media that ask for too much: refused by name before they are decoded, or cut short; ordinary media are untouched."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.support.videos.media import (
    Run,
    camera,
    every,
    gigapixel,
    make_video,
    master_playlist,
    pcm_file,
    picture,
    playlist,
    read_all,
    slowing_audio,
)
from workers.clock import SystemClock
from workers.errors import SourceInvalid, SourceRefused, SourceTooLarge, SourceUnsupported
from workers.sources.factory import build_source
from workers.sources.limits import PixelRate
from workers.sources.random_access import read_frames_at
from workers.types import FrameSpec, MediaLimits

SPEC = FrameSpec(48, 32, "squash")


def limited(path: Path, **limits: float) -> Run:
    return read_all(path, SPEC, limits=MediaLimits(**limits))  # type: ignore[arg-type]  # numbers of a test


def test_a_picture_of_a_gigapixel_is_refused_before_it_is_allocated(tmp_path: Path) -> None:
    path = gigapixel(tmp_path)
    assert path.stat().st_size < 20_000
    before = _peak_mib()
    with pytest.raises(SourceTooLarge, match=r"bomb\.avi.*pixels") as caught:
        read_all(path, SPEC)
    assert caught.value.code == "source_too_large"
    assert not caught.value.retryable
    assert _peak_mib() - before < 200  # the picture would be 1.6 GB


def test_what_a_header_says_is_checked_first(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", every(100, 10))
    with pytest.raises(SourceTooLarge, match=r"frames of 96x64, at most 4000 pixels are allowed \(limits\.pixels\)"):
        build_source(camera(path, limits=MediaLimits(max_pixels=4000)), SPEC, SystemClock()).open()


def test_what_grows_in_the_middle_is_left_out(tmp_path: Path) -> None:
    small = make_video(tmp_path / "small.ts", every(200, 10), gop=5)
    large = make_video(tmp_path / "large.ts", every(200, 10, 2000), gop=5, size=(960, 640))
    path = tmp_path / "grow.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    whole = read_all(path, SPEC, fps=5)
    cut = read_all(path, SPEC, fps=5, limits=MediaLimits(max_pixels=100_000))
    assert len(whole.pts) > 15
    assert 8 <= len(cut.pts) <= 10
    assert cut.snapshot.dropped["too_large"] > 0
    assert "limits.pixels" in (cut.snapshot.last_error or "")


def test_a_million_pictures_a_second(tmp_path: Path) -> None:
    path = tmp_path / "fast.mp4"
    with av.open(str(path), "w", options={"video_track_timescale": "1000000"}) as out:
        stream = out.add_stream("libx264", rate=1_000_000)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1_000_000)
        for n in range(50):
            frame = av.VideoFrame.from_ndarray(picture(n), format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, 1_000_000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(SourceTooLarge, match=r"frames a second, at most 1000 are allowed \(limits\.fps\)"):
        read_all(path, SPEC)


def test_more_pictures_than_the_header_said_are_noticed_while_reading(tmp_path: Path) -> None:
    path = make_video(tmp_path / "dense.ts", every(1000, 10) + every(5, 300, 10_000))
    assert len(limited(path, max_fps=100).pts) > 0
    with pytest.raises(SourceTooLarge, match="more than the 10 frames a second"):
        limited(path, max_fps=10)


def test_more_pixels_a_second_than_anybody_records(tmp_path: Path) -> None:
    path = make_video(tmp_path / "fast.mp4", every(40, 50))
    with pytest.raises(SourceTooLarge, match=r"25 frames of 96x64 a second, at most 153599 pixels a second"):
        limited(path, max_pixel_rate=96 * 64 * 25 - 1)
    assert MediaLimits().max_pixel_rate >= 8192 * 4320 * 60


def test_more_pixels_a_second_than_the_header_said_are_noticed_while_decoding(tmp_path: Path) -> None:
    small = make_video(tmp_path / "small.ts", every(200, 10), gop=5)
    large = make_video(tmp_path / "large.ts", every(200, 15, 2000), gop=5, size=(960, 640))
    path = tmp_path / "grow.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    enough = MediaLimits(max_pixel_rate=960 * 640 * 5)
    assert len(read_all(path, SPEC, fps=5, limits=enough).pts) > 20
    with pytest.raises(SourceTooLarge, match=r"more than the 153600 pixels a second .*limits\.pixel_rate"):
        read_all(path, SPEC, fps=5, limits=MediaLimits(max_pixel_rate=96 * 64 * 25))


def test_pixels_are_paid_off_by_time_but_not_saved_up() -> None:
    work = PixelRate(MediaLimits(max_pixel_rate=100))
    assert work.excess(1000.0, 3000) is None  # what a held GOP may ask for at once
    assert work.excess(1000.0, 3001) is not None
    assert work.excess(1001.0, 3100) is None
    assert work.excess(5000.0, 3100) is None
    assert work.excess(5000.0, 6101) is not None
    assert work.excess(4000.0, 6101) is not None  # time that steps back pays nothing


def test_an_absurd_duration(tmp_path: Path) -> None:
    path = make_video(tmp_path / "long.mkv", [0, 1000, 1000 * 86_400 * 20])
    with pytest.raises(SourceTooLarge, match=r"at most 604800 s are allowed \(limits\.duration\)"):
        read_all(path, SPEC)
    # Sparse sampling would make room for every step of the grid.
    with pytest.raises(SourceTooLarge, match=r"limits\.duration"):
        read_all(path, SPEC, fps=1 / 120, audio=False)


def test_a_duration_that_no_header_tells(tmp_path: Path) -> None:
    parts = [make_video(tmp_path / f"{n}.ts", every(1000, 40), gop=1).read_bytes() for n in range(2)]
    path = tmp_path / "long.ts"
    path.write_bytes(b"".join(parts))  # time stamps start again: by the first and the last one it lasts 40 s
    assert limited(path, max_duration_s=100).pts[-1] > 75
    with pytest.raises(SourceTooLarge, match=r"longer than the 50 s"):
        limited(path, max_duration_s=50)


def test_hundreds_of_tracks(tmp_path: Path) -> None:
    path = tmp_path / "tracks.mkv"
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(100)]
        for stream in streams:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            frame.sample_rate = 8000
            out.mux(stream.encode(frame))
    with pytest.raises(SourceTooLarge):
        read_all(path, SPEC)
    assert limited(path, max_streams=100).info.has_audio


@pytest.mark.parametrize("rate", [1, 3999, 768_001])
def test_sound_at_rates_that_nobody_records_at(tmp_path: Path, rate: int) -> None:
    path = pcm_file(tmp_path / "low.mkv", rate, 4096)  # at 1 Hz an hour of it, a quarter of a gigabyte
    with pytest.raises(SourceTooLarge, match=rf"low\.mkv.*audio at {rate} Hz; 4000 to 768000 Hz"):
        read_all(path)


def test_a_large_packet_of_sound_comes_in_parts(tmp_path: Path) -> None:
    got = read_all(pcm_file(tmp_path / "low.mkv", 4000, 4000 * 90))
    assert len(got.sound) == 90 * 16000
    assert max(len(c.samples) for c in got.chunks) < 2 * 16000
    assert [c.start_s for c in got.chunks[1:]] == pytest.approx([c.end_s for c in got.chunks[:-1]], abs=1e-6)


def test_sound_whose_rate_falls_on_the_way_is_left_out(tmp_path: Path) -> None:
    got = read_all(slowing_audio(tmp_path / "slowing.mkv"))
    assert got.snapshot.dropped["too_large"] > 50
    assert got.chunks[-1].end_s < 7
    assert np.abs(got.sound[8000:24000]).max() > 0.2
    assert np.abs(got.sound[40000:56000]).max() == 0  # silence, so that the times of what follows hold
    assert np.abs(got.sound[-16000:]).max() > 0.2


def test_limits_change_nothing_for_ordinary_media(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", every(40, 50), audio=(0, 2, 440))
    tight = MediaLimits(max_pixels=96 * 64, max_fps=25, max_duration_s=2.1, max_streams=2, max_pixel_rate=96 * 64 * 25)
    assert np.array_equal(read_all(path, SPEC, fps=5).frames, read_all(path, SPEC, fps=5, limits=tight).frames)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hls.mp4", playlist("{other}")),
        ("url.m3u8", playlist("file://{other}")),
        ("nested.ts", master_playlist(["url.m3u8"])),
        ("concat.mp4", "ffconcat version 1.0\nfile '{other}'\n"),
        ("session.mp4", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"),
        ("dash.mp4", '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{other}</BaseURL>'),
        ("sub.idx", "# VobSub index file, v7\nsize: 720x480\n"),
    ],
)  # fmt: skip
def test_files_that_point_at_others_are_refused(tmp_path: Path, name: str, text: str) -> None:
    other = make_video(tmp_path / "other.mp4", every(100, 10))
    path = tmp_path / name
    path.write_text(text.format(other=other))
    with pytest.raises(SourceRefused, match=f"{name} refers to other files or hosts") as caught:
        read_all(path, SPEC)
    assert not caught.value.retryable
    with pytest.raises((SourceUnsupported, SourceInvalid)):  # FFmpeg itself, should it come that far
        read_frames_at(str(path), [0.0], SPEC)


def test_a_pipe_or_device_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", Path("/dev/zero")):
        with pytest.raises(SourceInvalid, match="neither a file nor a folder"):
            read_all(path, SPEC)


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "concat.mp4", every(100, 10)).rename("concat:a|b.mp4")
    source = build_source(camera("concat:a|b.mp4"), SPEC, SystemClock())
    assert source.open().has_video
    source.close()


def _peak_mib() -> int:
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) >> 10
