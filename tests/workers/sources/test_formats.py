"""What arrives in folders: recordings of recorders, animations, sound alone; and what no format is read from."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from daemon.offline.media_files import MEDIA_SUFFIXES
from tests.support.videos.media import every, make_video, number_of, opened, picture, read_all, tone
from tests.support.videos.recorder import make_dav
from workers.errors import SourceUnsupported
from workers.sources.url import FILE_FORMATS

NAMES_OF_PICTURES = {".heic", ".heif", ".mpo"}  # read, but a folder of photographs is no folder of videos
NOT_ALONE = {".mks", ".psp", ".ism", ".isma", ".ismv", ".dat", ".m2a", ".apl", ".mac", ".h26l"}  # rare, or other things


def encoded(out: Any, stream: Any, frames: Iterable[Any]) -> None:
    for frame in (*frames, None):
        out.mux(stream.encode(frame))


def test_a_recording_of_a_recorder_is_read_from_second_0(tmp_path: Path) -> None:
    got = read_all(make_dav(tmp_path / "a.dav"))
    assert [number_of(f) for f in got.frames] == [0, 10, 20, 30]
    assert list(got.pts) == pytest.approx([0.0, 1.0, 2.0, 3.0])
    assert got.snapshot.last_error is None
    assert set(got.segments) == {0}


@pytest.mark.parametrize(("name", "codec", "pix_fmt"), [("a.gif", "gif", "rgb8"), ("a.apng", "apng", "rgb24")])
def test_an_animation_is_read(name: str, codec: str, pix_fmt: str, tmp_path: Path) -> None:
    with av.open(str(tmp_path / name), "w", format=codec) as out:
        stream: Any = out.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, pix_fmt
        frames = [av.VideoFrame.from_ndarray(picture(n), format="rgb24") for n in range(40)]
        for n, frame in enumerate(frames):
            frame.pts, frame.time_base = n, Fraction(1, 10)
        encoded(out, stream, frames)
    got = read_all(tmp_path / name)
    assert [number_of(f) for f in got.frames] == [0, 10, 20, 30]


@pytest.mark.parametrize(("step_ms", "count"), [(40, 41), (1000, 41), (40, 42), (40, 43)])  # it ends with P or B
@pytest.mark.parametrize("codec", ["libx264", "mpeg2video", "mpeg4"])
@pytest.mark.parametrize("name", ["a.asf", "a.wmv", "a.avi"])
def test_frames_are_in_their_time_where_only_the_order_of_decoding_is_stored(
    name: str, codec: str, step_ms: int, count: int, tmp_path: Path
) -> None:
    video = make_video(tmp_path / name, every(step_ms, count), codec, b_frames=2)
    got = read_all(video, fps=1000 / step_ms)
    times = [round(t - got.pts[0], 3) for t in got.pts]
    assert times == pytest.approx([step_ms / 1000 * number_of(f) for f in got.frames], abs=2e-3)
    assert len(times) == count
    assert got.snapshot.last_error is None


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.m4a", "aac"), ("a.mp3", "libmp3lame"), ("a.opus", "libopus"), ("a.flac", "flac"), ("a.wv", "wavpack")],
)
def test_sound_alone_is_heard(name: str, codec: str, tmp_path: Path) -> None:
    with av.open(str(tmp_path / name), "w") as out:
        stream: Any = out.add_stream(codec, rate=48000, layout="mono")
        form = stream.codec_context.codec.audio_formats[0].name
        planar = av.AudioFrame.from_ndarray(tone(0.0, 2.0, 440.0, 48000)[None], format="fltp", layout="mono")
        planar.sample_rate, planar.pts = 48000, 0
        encoded(out, stream, av.AudioResampler(form, "mono", 48000, stream.frame_size or 1024).resample(planar))
    got = read_all(tmp_path / name)
    assert (got.info.has_video, got.info.has_audio) == (False, True)
    assert len(got.sound) == pytest.approx(2 * 16000, rel=0.05)


def test_what_is_not_read_is_told_with_what_is(tmp_path: Path) -> None:
    made = make_video(tmp_path / "a.avi", every(100, 5), codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(made)) as media, av.open(str(tmp_path / "a.smjpeg"), "w", format="smjpeg") as out:
        stream = out.add_stream_from_template(media.streams.video[0])
        for packet in media.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    with pytest.raises(SourceUnsupported, match=r"a\.smjpeg.*none of mov,.*dhav.*ffmpeg -i") as caught:
        opened(tmp_path / "a.smjpeg")
    assert "playlist" not in str(caught.value)


def test_the_endings_of_all_formats_that_are_read_are_known() -> None:
    found = set[str]()
    for name in FILE_FORMATS.split(","):
        found |= {f".{ending}" for ending in av.ContainerFormat(name, "r").extensions}
    assert found - MEDIA_SUFFIXES <= NAMES_OF_PICTURES | NOT_ALONE
