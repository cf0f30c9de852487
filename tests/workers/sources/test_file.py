"""Files: sound and picture on one clock, damage, jumps, loops, and the errors that people see."""

import subprocess
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from alignment.errors import WatchwordError
from tests.support.videos.media import SPEC, camera, every, make_video, number_of, picture, read_all, tone
from workers.errors import SourceInvalid, SourceNotFound, SourceRefused
from workers.sources.factory import build_source
from workers.types import SAMPLE_RATE_HZ, AudioChunk, FrameBatch, FrameSpec


def loudness(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def pitch(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * SAMPLE_RATE_HZ / len(samples))


def test_batches_hold_sixteen_frames_and_sound_comes_in_step(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", every(40, 500), audio=(0.0, 20.0, 440.0))
    got = read_all(path, fps=2.0)
    assert [len(b.pts_s) for b in got.batches] == [16, 16, 8]
    seen = 0.0
    for item in got.items:
        if isinstance(item, FrameBatch):
            assert item.pts_s[0] >= seen - 2.0
            seen = float(item.pts_s[0])
        else:
            assert abs(item.start_s - seen) < 10
    assert got.info.duration_s == pytest.approx(20.0, abs=0.1)
    assert (got.info.width, got.info.height, got.info.live) == (96, 64, False)


def test_sound_is_whole_and_exact(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", every(40, 125), audio=(0.0, 5.0, 440.0))
    got = read_all(path)
    for a, b in zip(got.chunks, got.chunks[1:], strict=False):
        assert b.start_s == pytest.approx(a.end_s, abs=1e-6)
    assert got.chunks[-1].end_s == pytest.approx(5.0, abs=0.05)
    middle = got.sound[SAMPLE_RATE_HZ : 4 * SAMPLE_RATE_HZ]
    assert pitch(middle) == pytest.approx(440, abs=1)
    assert loudness(middle) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    expected = tone(got.chunks[0].start_s, len(got.sound) / SAMPLE_RATE_HZ, 440.0, SAMPLE_RATE_HZ)
    lags = range(-200, 200)
    base = got.sound[16000:32000]
    best = max(lags, key=lambda n: float(base @ expected[16000 + n : 32000 + n]))
    assert abs(best) <= 18  # half a period: the phase is right to a millisecond


def test_late_sound_keeps_the_common_clock(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", every(40, 125), audio=(2.5, 2.0, 440.0))
    got = read_all(path)
    assert got.pts[0] == 0
    assert got.chunks[0].start_s == pytest.approx(2.5, abs=0.05)


def test_late_picture_keeps_the_common_clock(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.ts", every(40, 50, 1500), audio=(0.0, 3.0, 440.0))
    got = read_all(path)
    assert got.chunks[0].start_s == pytest.approx(0.0, abs=0.05)
    assert got.pts[0] == pytest.approx(1.5, abs=0.05)


def test_gap_in_the_sound_becomes_silence(tmp_path: Path) -> None:
    path = tmp_path / "gap.mka"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=16000, layout="mono")
        for start in (0.0, 3.25):
            data = (tone(start, 1.0, 500.0, 16000) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(data[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16000, round(start * 16000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    got = read_all(path)
    assert len(got.sound) == round(4.25 * 16000)
    assert loudness(got.sound[:16000]) > 0.3
    assert loudness(got.sound[16100:51900]) < 1e-3
    assert loudness(got.sound[52100:]) > 0.3
    assert max(len(c.samples) for c in got.chunks) <= 2 * SAMPLE_RATE_HZ


@pytest.mark.parametrize("pace", [1.01, 0.99])
def test_sound_whose_clock_drifts_keeps_to_its_time_stamps(pace: float, tmp_path: Path) -> None:
    """Each time stamp is off by less than a millisecond from the one before, yet after 40 s they say 0.4 s more."""
    path = tmp_path / "drift.mka"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=16000, layout="mono")
        for i in range(0, 40 * 16000, 800):
            frame = av.AudioFrame.from_ndarray(np.full((1, 800), i // 16000 * 100, np.int16), "s16", "mono")
            frame.sample_rate, frame.pts = 16000, i
            for packet in stream.encode(frame):
                packet.pts = packet.dts = round((packet.pts or 0) * pace)
                out.mux(packet)
    got = read_all(path)
    assert got.chunks[-1].end_s == pytest.approx(40 * pace, abs=0.1)
    late = np.flatnonzero(got.sound > 3850 / 32768)[0] / SAMPLE_RATE_HZ  # where second 39 was recorded
    assert late == pytest.approx(39 * pace, abs=0.1)


def test_audio_only(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=44100, layout="stereo")
        samples = np.stack([tone(0, 3.0, 440.0, 44100)] * 2)
        for i in range(0, samples.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[:, i : i + 1024]), "fltp", "stereo")
            frame.sample_rate, frame.pts = 44100, i
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    got = read_all(path)
    assert not got.info.has_video
    assert not got.batches
    assert got.chunks[-1].end_s == pytest.approx(3.0, abs=0.06)
    assert pitch(got.sound[8000:40000]) == pytest.approx(440, abs=1)


def test_sound_is_not_decoded_unless_wanted(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", every(40, 50), audio=(0.0, 2.0, 440.0))
    got = read_all(path, audio=False)
    assert not got.info.has_audio
    assert not got.chunks
    assert len(got.pts) == 2


def test_one_track_is_picked_and_never_mixed(tmp_path: Path) -> None:
    path = tmp_path / "many.mka"
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("pcm_s16le", rate=16000, layout="mono") for _ in range(2)]
        streams[1].disposition = av.stream.Disposition.default
        for stream, hertz in zip(streams, (300.0, 700.0), strict=True):
            data = (tone(0, 2.0, hertz, 16000) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(data[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16000, 0
            out.mux(stream.encode(frame))
    assert pitch(read_all(path, audio_track=0).sound) == pytest.approx(300, abs=1)
    assert pitch(read_all(path, audio_track=1).sound) == pytest.approx(700, abs=1)
    with pytest.raises(SourceInvalid, match="no audio track 2, there are 2"):
        read_all(path, audio_track=2)


def join(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(p.read_bytes() for p in parts))
    return path


@pytest.mark.parametrize("second_start_ms", [20_000_000, 100])
def test_time_stamp_jump_is_a_new_epoch_on_the_same_axis(tmp_path: Path, second_start_ms: int) -> None:
    a = make_video(tmp_path / "1.ts", every(40, 100, 900_000), audio=(900.0, 4.0, 440.0))
    b = make_video(
        tmp_path / "2.ts", every(40, 100, second_start_ms), audio=(second_start_ms / 1000, 4.0, 440.0), first=100
    )
    got = read_all(join(tmp_path / "both.ts", a, b))
    assert got.pts[-1] < 10
    assert np.all(np.diff(got.pts) > 0)
    assert set(got.segments) == {0, 1}
    assert {c.segment for c in got.chunks} == {0, 1}
    assert all(c.end_s < 10 for c in got.chunks)
    numbers = [number_of(f) for f in got.frames]
    assert [e for e, n in zip(got.segments, numbers, strict=True) if n >= 100] == [1] * got.segments.count(1)


def test_resolution_change_in_a_transport_stream(tmp_path: Path) -> None:
    a = make_video(tmp_path / "1.ts", every(40, 100), options={"bf": "0"})
    b = make_video(tmp_path / "2.ts", every(40, 100, 4000), options={"bf": "0"}, size=(160, 120), first=100)
    got = read_all(join(tmp_path / "both.ts", a, b))
    assert [number_of(f) for f in got.frames] == [0, 25, 50, 75, 100, 125, 150, 175]
    assert set(got.segments) == {0}


def test_truncated_file_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    remux = make_video(tmp_path / "front.mp4", every(40, 250), container={"movflags": "faststart"})
    data = remux.read_bytes()
    remux.write_bytes(data[: len(data) // 2])
    got = read_all(remux)
    assert 2 <= len(got.pts) < 9
    assert [number_of(f) for f in got.frames] == [25 * n for n in range(len(got.pts))]
    assert (got.snapshot.last_error or "").startswith("truncated: 10.0 s declared")


def test_damaged_packets_are_skipped_and_counted(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.ts", every(40, 250), gop=25)
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(1)
    for at in rng.integers(len(data) // 3, len(data) // 2, 400):
        data[at] ^= 0xFF
    path.write_bytes(data)
    got = read_all(path)
    assert got.snapshot.dropped.get("corrupt", 0) > 0
    assert [number_of(f) for f in got.frames[:3]] == [0, 25, 50]
    assert number_of(got.frames[-1]) >= 220  # to the end
    assert np.all(np.diff(got.pts) > 0)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("zero.mp4", b"", SourceInvalid),
        ("text.mp4", b"this is not a film\n" * 100, SourceInvalid),
        ("noise.mp4", np.random.default_rng(0).bytes(20_000), SourceInvalid),
        ("gone.mp4", None, SourceNotFound),
        ("list.mp4", b"ffconcat version 1.0\nfile 'a.mp4'\n", SourceRefused),
    ],
)
def test_what_is_no_film_gives_one_clear_error(
    tmp_path: Path, name: str, content: bytes | None, kind: type[WatchwordError]
) -> None:
    make_video(tmp_path / "a.mp4", every(40, 10))
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    source = build_source(camera(path), SPEC)
    with pytest.raises(kind, match=f"door: .*{name}") as caught:
        list(source.items())
    assert caught.value.hint


def test_folder_is_no_film(tmp_path: Path) -> None:
    with pytest.raises(SourceInvalid):
        build_source(camera(tmp_path), SPEC).open()


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_is_applied(tmp_path: Path, degrees: int) -> None:
    path = make_video(tmp_path / "a.mp4", every(40, 10))
    turned = tmp_path / "turned.mov"
    command = ["ffmpeg", "-v", "error", "-display_rotation", str(degrees), "-i", str(path), "-c", "copy", str(turned)]
    if subprocess.run(command, check=False).returncode:  # before FFmpeg 6 the angle is metadata of the output
        angle = str((360 - degrees) % 360)
        command = ["ffmpeg", "-v", "error", "-y", "-i", str(path), "-c", "copy", "-metadata:s:v", f"rotate={angle}"]
        subprocess.run([*command, str(turned)], check=True)
    shown = subprocess.run(  # FFmpeg's own player-like view: it applies the display matrix
        ["ffmpeg", "-v", "error", "-i", str(turned), "-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"],
        check=True,
        capture_output=True,
    ).stdout
    width, height = (64, 96) if degrees % 180 else (96, 64)
    upright = np.frombuffer(shown, np.uint8).reshape(height, width, 3).astype(int)
    got = read_all(turned, FrameSpec(width, height, "squash"))
    assert got.frames.shape[1:] == upright.shape
    assert np.abs(got.frames[0] - upright).mean() < 3


def test_crop_keeps_proportions_and_squash_does_not(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", every(40, 3))
    source = picture(0)
    crop = read_all(path, FrameSpec(64, 64, "crop")).frames[0]
    assert np.abs(crop.astype(int) - source[:, 16:80]).mean() < 12
    assert read_all(path, FrameSpec(20, 40, "squash")).frames.shape == (1, 40, 20, 3)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "size"),
    [
        ("libx264", "yuv444p", (97, 65)),
        ("libx264", "yuv420p10le", (96, 64)),
        ("mjpeg", "yuvj420p", (96, 64)),
        ("libx264", "yuv420p", (16, 16)),
    ],
)
def test_sizes_depths_and_ranges(tmp_path: Path, codec: str, pix_fmt: str, size: tuple[int, int]) -> None:
    path = make_video(tmp_path / "a.mkv", every(40, 30), codec=codec, pix_fmt=pix_fmt, size=size)
    got = read_all(path, FrameSpec(48, 32, "crop"))
    if size[0] > 16:
        assert [number_of(f) for f in got.frames] == [0, 25]
        assert got.frames[0][2, 30].mean() == pytest.approx(60, abs=8)  # range: black is not lifted or crushed
    assert got.frames.shape == (2, 32, 48, 3)


def test_loop_starts_again_later_as_a_new_epoch(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", every(40, 75), audio=(0.0, 3.0, 440.0))
    source = build_source(camera(path, loop=True), SPEC)
    batches: list[FrameBatch] = []
    chunks: list[AudioChunk] = []
    for item in source.items():
        if isinstance(item, FrameBatch):
            batches.append(item)
        elif isinstance(item, AudioChunk):
            chunks.append(item)
        if len(batches) == 3:
            source.stop()
    pts = np.concatenate([b.pts_s for b in batches])
    assert np.all(np.diff(pts) > 0.5)
    assert pts[-1] == pytest.approx(8.0, abs=0.5)
    assert [b.segment for b in batches[:3]] == [0, 1, 2]
    assert {c.segment for c in chunks} >= {0, 1}


def test_stop_from_another_thread_ends_items(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", every(40, 25))
    source = build_source(camera(path, loop=True), SPEC)
    threading.Timer(0.3, source.stop).start()
    assert list(source.items())


def test_key_names_the_content_not_the_file(tmp_path: Path) -> None:
    one = make_video(tmp_path / "1.mp4", every(40, 5))
    two = join(tmp_path / "2.mp4", one)
    other = make_video(tmp_path / "3.mp4", every(40, 5), first=9)
    keys = [build_source(camera(p), SPEC).open().key for p in (one, two, other)]
    assert keys[0] == keys[1] != keys[2]


def test_rare_samples_are_fetched_one_by_one(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", every(2000, 120))
    got = read_all(path, fps=1 / 60, audio=False)
    assert [number_of(f) for f in got.frames] == [0, 30, 60, 90]
    np.testing.assert_allclose(got.pts, [0, 60, 120, 180], atol=1e-3)
    assert (got.snapshot.frames_sampled, got.snapshot.frames_decoded) == (4, 4)


def test_rare_samples_of_a_damaged_file_are_those_that_are_there(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", every(2000, 120), container={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 5])
    got = read_all(path, fps=1 / 60, audio=False)
    assert [number_of(f) for f in got.frames] == [0, 30]
    assert "truncated" in (got.snapshot.last_error or "")
