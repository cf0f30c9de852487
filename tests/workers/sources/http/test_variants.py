"""Of an HLS master playlist one quality is fetched: the smallest that is large enough."""

import subprocess
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.support.serving.servers import http, start
from tests.support.streams.live import X264, frames, live, take
from tests.support.videos.media import every, make_video, playlist
from workers.sources.decode.scaling import FrameScaler
from workers.sources.http.variants import MOST_TRIED, Qualities
from workers.types import AudioChunk, FrameSpec

SIZES = {"tiny": (32, 20), "small": (64, 44), "middle": (96, 64), "large": (192, 128)}


def serves(width: int, height: int) -> bool:
    return width >= 400 and height >= 200


def kept(*lines: str) -> list[str]:
    """Return what is left of a master playlist with these lines."""
    text = "\n".join(["#EXTM3U", *lines, ""]).encode()
    return b"".join(Qualities(serves).narrow(text.splitlines(keepends=True))).decode().splitlines()[1:]


def variant(address: str, **attributes: object) -> tuple[str, str]:
    listed = ",".join(f"{name.replace('_', '-')}={value}" for name, value in attributes.items())
    return f"#EXT-X-STREAM-INF:{listed}", address


@pytest.mark.parametrize(
    ("sizes", "chosen"),
    [
        (("256x144", "1920x1080", "640x360", "854x480"), 2),
        (("256x144", "320x180"), 1),  # none is large enough
        (("1920x1080", "1280x720"), 1),
        (("360x640", "720x1280"), 1),  # upright
        (("640X360", "0x0", "99999999x1"), 0),
    ],
)
def test_the_smallest_that_is_large_enough_is_left(sizes: tuple[str, ...], chosen: int) -> None:
    variants = [variant(f"v{n}.m3u8", BANDWIDTH=5, RESOLUTION=size) for n, size in enumerate(sizes)]
    assert kept(*(line for v in variants for line in v)) == list(variants[chosen])


@pytest.mark.parametrize(
    ("variants", "chosen"),
    [
        ([{"BANDWIDTH": 200_000}, {"BANDWIDTH": 6_000_000}, {"BANDWIDTH": 1_200_000}], 2),  # no sizes
        ([{"BANDWIDTH": 200_000}, {"BANDWIDTH": 300_000}], 1),
        ([{"BANDWIDTH": 9, "RESOLUTION": "640x360"}, {"BANDWIDTH": 8, "RESOLUTION": "640x360"}], 1),
        ([{"BANDWIDTH": 2_000_000}, {"BANDWIDTH": 9, "RESOLUTION": "640x360"}], 1),
        ([{"BANDWIDTH": 9, "CODECS": '"mp4a.40.2"'}, {"BANDWIDTH": 8, "CODECS": '"avc1.4d,mp4a.40.2"'}], 1),
        ([{"BANDWIDTH": 9, "CODECS": '"mp4a.40.2"'}, {"BANDWIDTH": 8, "CODECS": '"mp4a.40.5"'}], 0),  # radio
        ([{}, {}], 0),
    ],
)
def test_what_does_not_tell_its_size_is_judged_by_its_rate(variants: list[dict[str, object]], chosen: int) -> None:
    made = [variant(f"v{n}.m3u8", **attributes) for n, attributes in enumerate(variants)]
    assert kept(*(line for v in made for line in v)) == list(made[chosen])


def test_the_renditions_of_the_others_go_with_them() -> None:
    sound = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{0}",NAME="a, \'b\'",URI="{0}.m3u8"'
    small = variant("small.m3u8", BANDWIDTH=1, RESOLUTION="640x360", AUDIO='"low"')
    large = variant("large.m3u8", BANDWIDTH=2, RESOLUTION="1280x720", AUDIO='"high"')
    subtitles = '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="low",NAME="en",URI="en.m3u8"'
    frames = '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="i.m3u8"'
    got = kept(sound.format("high"), sound.format("low"), subtitles, *large, "", "# a note", *small, frames)
    assert got == [sound.format("low"), "", "# a note", *small, frames]


def test_a_playlist_of_segments_stays_as_it_is() -> None:
    lines = playlist("a.ts", "b.ts").splitlines()[1:]
    assert kept(*lines) == lines
    assert kept("#EXT-X-STREAM-INF:BANDWIDTH=1") == ["#EXT-X-STREAM-INF:BANDWIDTH=1"]  # without an address


def test_frames_are_large_enough_where_they_need_not_be_enlarged() -> None:
    whole, crop = FrameScaler(FrameSpec(256, 256, "whole")), FrameScaler(FrameSpec(224, 224, "crop"))
    assert whole.is_served_by(640, 360)
    assert not whole.is_served_by(426, 240)
    assert whole.is_served_by(360, 640)
    assert crop.is_served_by(426, 240)
    assert not crop.is_served_by(320, 180)
    assert not crop.is_served_by(0, 0)


def master(*sizes: str) -> list[bytes]:
    lines = [line for n, size in enumerate(sizes) for line in variant(f"v{n}.m3u8", BANDWIDTH=5, RESOLUTION=size)]
    return [f"{line}\n".encode() for line in ("#EXTM3U", *lines)]


def test_a_variant_of_which_nothing_comes_is_avoided_until_another_gave_frames() -> None:
    qualities, lines = Qualities(serves), master("320x180", "640x360", "1280x720")

    def chosen() -> bytes:
        return list(qualities.narrow(lines))[-1].strip()

    assert not qualities.failed()  # before any playlist: it is the server that is away
    tried = []
    for _ in range(4):
        tried.append(chosen())
        assert qualities.failed()
    assert tried == [b"v1.m3u8", b"v2.m3u8", b"v0.m3u8", b"v1.m3u8"]
    assert chosen() == b"v2.m3u8"
    qualities.succeeded()
    assert chosen() == b"v1.m3u8"


def test_tries_are_bounded_and_a_single_variant_is_not_tried_twice() -> None:
    one = Qualities(serves)
    list(one.narrow(master("640x360")))
    assert not one.failed()
    many, lines = Qualities(serves), master(*(f"{640 + n}x{360 + n}" for n in range(50)))
    tries = 0
    while True:
        list(many.narrow(lines))
        tries += 1
        if not many.failed():
            break
    assert tries == MOST_TRIED + 1


@pytest.fixture(scope="module")
def qualities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of each quality in two segments, and their sound apart."""
    folder = tmp_path_factory.mktemp("qualities")
    for name, size in SIZES.items():
        for part in range(2):
            times = every(100, 30, start_ms=3000 * part)
            made = folder / f"{name}{part}.ts"
            make_video(made, times, size=size, options=X264, gop=10, container={"mpegts_copyts": "1"})
        (folder / f"{name}.m3u8").write_text(playlist(f"{name}0.ts", f"{name}1.ts"))
    for group in ("low", "high"):
        sound = [
            "ffmpeg",
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "sine=440:d=6",
            "-c:a",
            "aac",
            str(folder / f"{group}.ts"),
        ]
        subprocess.run(sound, check=True)
        (folder / f"{group}.m3u8").write_text(playlist(f"{group}.ts"))
    return folder


def files(folder: Path, asked: list[str], master: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        name = request.path.strip("/")
        start(request, kind="application/vnd.apple.mpegurl" if name.endswith("m3u8") else "video/mp2t")
        if name == "master.m3u8":
            request.wfile.write(master.encode())
        else:
            asked.append(name)
            request.wfile.write((folder / name).read_bytes())

    return answer


@pytest.mark.realtime
@pytest.mark.parametrize("order", [("tiny", "small", "middle", "large"), ("large", "middle", "small", "tiny")])
def test_one_quality_is_fetched_and_watched(order: tuple[str, ...], qualities: Path) -> None:
    lines = [line for n in order for line in variant(f"{n}.m3u8", BANDWIDTH=1, RESOLUTION="{}x{}".format(*SIZES[n]))]
    asked: list[str] = []
    with http(files(qualities, asked, "\n".join(["#EXTM3U", *lines, ""]))) as base:
        source = live(f"{base}/master.m3u8", fps=2.0)
        assert source.open().width == 64  # of 48 x 32 that are needed
        take(source, lambda got: len(frames(got)) >= 3)
    assert all(name.startswith("small") for name in asked)


@pytest.mark.realtime
@pytest.mark.parametrize("broken", ["small.m3u8", "small0.ts"])
def test_a_quality_that_is_not_there_does_not_cost_the_stream(broken: str, qualities: Path) -> None:
    lines = [line for n in SIZES for line in variant(f"{n}.m3u8", BANDWIDTH=1, RESOLUTION="{}x{}".format(*SIZES[n]))]
    asked: list[str] = []
    answer = files(qualities, asked, "\n".join(["#EXTM3U", *lines, ""]))

    def partly(request: BaseHTTPRequestHandler) -> None:
        name = request.path.strip("/")
        if name.startswith("small") and (name == broken or (broken.endswith(".ts") and name.endswith(".ts"))):
            request.send_error(404)
        else:
            answer(request)

    with http(partly) as base:
        source = live(f"{base}/master.m3u8", fps=2.0)
        assert source.open().width == 96
        take(source, lambda got: len(frames(got)) >= 3)


@pytest.mark.realtime
def test_sound_that_comes_apart_is_that_of_the_chosen_quality(qualities: Path) -> None:
    sound = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{0}",NAME="{0}",DEFAULT=YES,URI="{0}.m3u8"'
    lines = [sound.format("low"), sound.format("high")]
    for name, group in (("large", "high"), ("small", "low")):
        lines += variant(f"{name}.m3u8", BANDWIDTH=1, RESOLUTION="{}x{}".format(*SIZES[name]), AUDIO=f'"{group}"')
    asked: list[str] = []
    with http(files(qualities, asked, "\n".join(["#EXTM3U", *lines, ""]))) as base:
        source = live(f"{base}/master.m3u8")
        take(source, lambda got: len(frames(got)) >= 3 and any(isinstance(i, AudioChunk) for i in got))
    assert not {name for name in asked if name.startswith(("large", "high"))}
