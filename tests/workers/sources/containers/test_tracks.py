"""Which tracks are read: one that cannot be decoded costs nothing else, and what belongs together stays together."""

import subprocess
from collections.abc import Sequence
from fractions import Fraction
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import av
import numpy as np
import pytest

from tests.support.programs.processes import process
from tests.support.serving.servers import RTSP_SERVER, free_port, http, start, wait_for_port
from tests.support.streams.live import frames, live, take
from tests.support.videos.media import Run, every, make_video, number_of, opened, picture, read_all, tone
from workers.errors import SourceInvalid, SourceUnsupported
from workers.sources.random_access import read_frames_at
from workers.types import AudioChunk, FrameSpec

RATE = 44100
SPEC = FrameSpec(48, 32, "squash")


def renamed(path: Path, before: bytes, after: bytes, which: int | None = None) -> Path:
    """Give one track a codec that nobody knows; ``which``: the mention of its name, None for all."""
    data = path.read_bytes()
    parts = data.split(before)
    assert len(parts) > (which or 0) + 1
    one = before.join(parts[: (which or 0) + 1]) + after + before.join(parts[(which or 0) + 1 :])
    path.write_bytes(data.replace(before, after) if which is None else one)
    return path


def two_sounds(path: Path, default: int, hertz: Sequence[float] = (440.0, 880.0)) -> Path:
    """Three seconds of video with two audio tracks, of which the container marks one as default."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        sounds = [out.add_stream("aac", rate=RATE, layout="mono") for _ in hertz]
        for n, sound in enumerate(sounds):
            sound.disposition = av.stream.Disposition.default if n == default else av.stream.Disposition(0)
        for n in range(75):
            frame = av.VideoFrame.from_ndarray(picture(n), format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for sound, pitch in zip(sounds, hertz, strict=True):
            for i in range(0, 3 * RATE, 1024):
                samples = tone(i / RATE, 1024 / RATE, pitch, RATE)
                block = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
                block.sample_rate, block.pts, block.time_base = RATE, i, Fraction(1, RATE)
                out.mux(sound.encode(block))
            out.mux(sound.encode(None))
    return path


def pitch_of(run: Run) -> float:
    """Return the frequency of the sound, hertz."""
    sound = run.sound[8000:24000]
    return float(np.argmax(np.abs(np.fft.rfft(sound * np.hanning(len(sound)))))) * 16000 / len(sound)


def test_a_default_sound_without_decoder_costs_neither_the_picture_nor_the_other_sound(tmp_path: Path) -> None:
    made = renamed(two_sounds(tmp_path / "a.mp4", default=1), b"mp4a", b"ac-9", which=1)
    renamed(made, b"esds", b"xsds", which=1)
    got = read_all(made)
    assert len(got.pts) == 3
    assert pitch_of(got) == pytest.approx(440, abs=5)
    assert got.snapshot.passed_over == ("audio track 1 of 2 has no decoder here",)
    assert got.snapshot.last_error is None
    assert read_all(made, audio=False).snapshot.passed_over == ()


def test_a_chosen_sound_without_decoder_costs_only_itself(tmp_path: Path) -> None:
    made = renamed(two_sounds(tmp_path / "a.mkv", default=0), b"A_AAC", b"A_XYZ", which=0)
    got = read_all(made, audio_track=0)
    assert (len(got.pts), got.info.has_audio) == (3, False)
    assert got.snapshot.passed_over == ("audio track 0 of 2 has no decoder here",)
    assert pitch_of(read_all(made, audio_track=1)) == pytest.approx(880, abs=5)


@pytest.mark.parametrize(
    ("name", "codec", "before", "after"),
    [
        ("a.avi", "mjpeg", b"MJPG", b"ZZZZ"),
        ("a.mp4", "libx264", b"avc1", b"zzz1"),
        ("a.mkv", "libx264", b"V_MPEG4/ISO/AVC", b"V_MPEG9/ISO/XYZ"),
    ],
)
def test_a_picture_without_decoder_leaves_the_sound(
    name: str, codec: str, before: bytes, after: bytes, tmp_path: Path
) -> None:
    made = make_video(
        tmp_path / name,
        every(40, 50),
        codec=codec,
        pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p",
        audio=(0.0, 2.0, 440.0),
    )
    got = read_all(renamed(made, before, after))
    assert (got.info.has_video, got.info.has_audio) == (False, True)
    assert len(got.sound) == pytest.approx(2 * 16000, abs=2000)
    assert got.snapshot.passed_over == ("video track 0 of 1 has no decoder here",)


def test_where_nothing_can_be_decoded_every_track_is_named(tmp_path: Path) -> None:
    made = make_video(tmp_path / "a.mp4", every(40, 25), audio=(0.0, 1.0, 440.0))
    for before, after in ((b"avc1", b"zzz1"), (b"mp4a", b"ac-9"), (b"esds", b"xsds")):
        renamed(made, before, after)
    with pytest.raises(SourceUnsupported, match=r"video track 0 of 1 .*audio track 0 of 1"):
        opened(made)
    with pytest.raises(SourceUnsupported, match="video track 0 of 1"):
        opened(made, audio=False)


def test_sound_that_is_encrypted_is_told(tmp_path: Path) -> None:
    """A decoder is there, but nothing comes out of it."""
    made = make_video(tmp_path / "a.mkv", every(40, 50), audio=(0.0, 2.0, 440.0))
    with av.open(str(made)) as media:
        sounds = [bytes(p) for p in media.demux(audio=0) if p.size]
    data = made.read_bytes()
    for packet in sounds:
        data = data.replace(packet, bytes(len(packet)))
    made.write_bytes(data)
    got = read_all(made)
    assert len(got.pts) == 2
    assert got.snapshot.last_error == "no sound could be decoded"


@pytest.mark.realtime
def test_a_live_stream_is_watched_without_the_track_that_has_no_decoder(tmp_path: Path) -> None:
    made = renamed(two_sounds(tmp_path / "a.mkv", default=0), b"A_AAC", b"A_XYZ", which=0)

    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request, kind="video/x-matroska")
        request.wfile.write(made.read_bytes())

    with http(answer) as base:
        source = live(f"{base}/a.mkv")
        got = take(source, lambda got: len(frames(got)) >= 4 and any(isinstance(i, AudioChunk) for i in got))
    assert frames(got)
    assert source.snapshot().passed_over == ("audio track 0 of 2 has no decoder here",)


@pytest.mark.realtime
def test_a_camera_is_watched_without_the_track_that_has_no_decoder() -> None:
    port = free_port()
    with process("/usr/bin/python3", str(RTSP_SERVER), str(port), "--odd-sound"):
        wait_for_port(port)
        source = live(f"rtsp://127.0.0.1:{port}/cam", open_timeout_s=8.0, read_timeout_s=4.0)
        take(source, lambda got: len(frames(got)) >= 3 and any(isinstance(i, AudioChunk) for i in got))
    assert source.snapshot().passed_over == ("audio track 0 of 2 has no decoder here",)


def still_and_moving(path: Path, still_first: bool) -> Path:
    """Two video tracks that are both marked as default: one frame of white, and frames that show their numbers."""
    with av.open(str(path), "w") as out:
        made = {}
        for kind in ("still", "moving") if still_first else ("moving", "still"):
            stream = out.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            stream.disposition = av.stream.Disposition.default
            made[kind] = stream
        white = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 255, np.uint8), format="rgb24")
        white.pts, white.time_base = 0, Fraction(1, 10)
        out.mux(made["still"].encode(white))
        out.mux(made["still"].encode(None))
        for n in range(50):
            frame = av.VideoFrame.from_ndarray(picture(n), format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, 10)
            out.mux(made["moving"].encode(frame))
        out.mux(made["moving"].encode(None))
    return path


@pytest.mark.parametrize("still_first", [True, False])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_the_track_that_moves_is_watched_and_not_the_still_picture(
    name: str, still_first: bool, tmp_path: Path
) -> None:
    made = still_and_moving(tmp_path / name, still_first)
    got = read_all(made)
    assert [number_of(f) for f in got.frames] == [0, 10, 20, 30, 40]
    assert got.info.duration_s == pytest.approx(5.0)
    assert got.snapshot.last_error is None
    times, shown = read_frames_at(str(made), [1.0, 3.0], SPEC)
    assert list(times) == pytest.approx([1.0, 3.0])
    assert [number_of(f) for f in shown] == [10, 30]


def test_a_still_picture_alone_is_watched(tmp_path: Path) -> None:
    made = make_video(tmp_path / "a.mp4", [0], first=5)
    assert [number_of(f) for f in read_all(made).frames] == [5]


def programmes(path: Path, *layout: str) -> Path:
    """A transport stream: ``layout`` gives the tracks of each programme, v for video, a number for a tone."""
    command = ["ffmpeg", "-v", "error", "-y"]
    maps, groups, index = [], [], 0
    for number, tracks in enumerate(layout):
        group = f"program_num={number + 1}"
        for track in tracks.split():
            kind = "testsrc2=s=96x64:r=10:d=3" if track == "v" else f"sine={track}:d=3"
            command += ["-f", "lavfi", "-i", kind]
            maps += ["-map", str(index)]
            group += f":st={index}"
            index += 1
        groups += ["-program", group]
    subprocess.run([*command, *maps, "-c:v", "libx264", "-c:a", "aac", *groups, "-f", "mpegts", str(path)], check=True)
    return path


@pytest.mark.parametrize(
    ("layout", "hertz"),
    [
        (("440", "v 880"), 880),  # radio, then television
        (("v 440", "v 880"), 440),
        (("v 440 660", "880"), 440),
        (("440 660", "v v 880"), 880),
        (("440", "v"), None),  # what belongs to no picture is not its sound
        (("440",), 440),
    ],
)
def test_the_sound_is_that_of_the_same_programme(layout: tuple[str, ...], hertz: int | None, tmp_path: Path) -> None:
    got = read_all(programmes(tmp_path / "a.ts", *layout))
    assert got.info.has_video == any("v" in tracks for tracks in layout)
    assert got.info.has_audio == (hertz is not None)
    if hertz is not None:
        assert pitch_of(got) == pytest.approx(hertz, abs=5)


def test_a_track_that_was_asked_for_may_be_of_another_programme(tmp_path: Path) -> None:
    made = programmes(tmp_path / "a.ts", "440", "v 880")
    assert pitch_of(read_all(made, audio_track=0)) == pytest.approx(440, abs=5)
    with pytest.raises(SourceInvalid, match="no audio track 2, there are 2"):
        opened(made, audio_track=2)
