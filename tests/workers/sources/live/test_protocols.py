"""Every way in which a live stream may come, from real servers: TCP, UDP, HLS, motion JPEG, RTSP."""

import io
import itertools
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.support.clocks import wait_until
from tests.support.programs.processes import process
from tests.support.serving.servers import RTSP_SERVER, free_port, http, paced, start, tcp, wait_for_port
from tests.support.streams.live import X264, frames, live, take
from tests.support.videos.media import every, make_video, number_of, picture
from workers.errors import SourceError, SourceNotFound, SourceUnauthorized
from workers.sources.containers import timebase
from workers.types import AudioChunk

pytestmark = pytest.mark.realtime


def test_tcp_transport_stream(stream_ts: bytes) -> None:
    with tcp(lambda c: paced(c.sendall, stream_ts, 10.0)) as port:
        assert take(live(f"tcp://127.0.0.1:{port}"), lambda got: len(frames(got)) >= 3)


def test_udp_transport_stream_from_ffmpeg(stream_ts: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.ts").write_bytes(stream_ts)
    port = free_port(socket.SOCK_DGRAM)
    url = f"udp://127.0.0.1:{port}"
    command = ["ffmpeg", "-re", "-stream_loop", "-1", "-i", str(tmp_path / "s.ts"), "-c", "copy", "-f", "mpegts"]
    with process(*command, f"{url}?pkt_size=1316"):
        assert take(live(url, open_timeout_s=6.0, read_timeout_s=3.0), lambda got: len(frames(got)) >= 3)


def test_hls_playlist_from_ffmpeg(stream_ts: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.ts").write_bytes(stream_ts)
    playlist = tmp_path / "live.m3u8"
    command = ["ffmpeg", "-re", "-stream_loop", "-1", "-i", str(tmp_path / "s.ts"), "-c", "copy", "-f", "hls"]

    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request, kind="application/vnd.apple.mpegurl")
        request.wfile.write((tmp_path / request.path.strip("/")).read_bytes())

    with process(*command, "-hls_time", "1", "-hls_list_size", "4", str(playlist)), http(answer) as base:
        wait_until(playlist.exists, 10)
        assert take(
            live(f"{base}/live.m3u8", open_timeout_s=6.0, read_timeout_s=3.0), lambda got: len(frames(got)) >= 8
        )


@pytest.mark.parametrize(
    ("kind", "codec", "options"),
    [
        ("h264", "libx264", {"preset": "ultrafast", "x264-params": "keyint=10:bframes=2:b-adapt=0:scenecut=0"}),
        ("obu", "libsvtav1", {"preset": "12"}),
    ],
)
def test_raw_video_over_http(kind: str, codec: str, options: dict[str, str]) -> None:
    """It has no time stamps either: the time is that of arrival, whatever rate FFmpeg makes up."""
    out = io.BytesIO()
    with av.open(out, "w", format=kind) as raw:
        stream = raw.add_stream(codec, rate=25, options=options)
        assert isinstance(stream, av.VideoStream)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt, stream.codec_context.gop_size = 96, 64, "yuv420p", 10
        for n in range(150):
            frame = av.VideoFrame.from_ndarray(picture(n), format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, 25)
            raw.mux(stream.encode(frame))
        raw.mux(stream.encode(None))

    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request, kind="video/raw")
        paced(request.wfile.write, out.getvalue(), 15.0)  # ten a second

    with http(answer) as base:
        source = live(f"{base}/cam", audio=False, read_timeout_s=5.0, open_timeout_s=10.0, stall_timeout_s=5.0)
        items = frames(take(source, lambda got: len(frames(got)) >= 6))
    numbers = [number_of(b.frames[0]) for b in items]
    assert numbers == sorted(set(numbers))
    pts, wall = np.array([(b.pts_s[0], b.wall_time[0]) for b in items]).T
    np.testing.assert_allclose(pts, wall, atol=1.0)
    assert {b.segment for b in items} == {0}


@contextmanager
def growing_playlist(folder: Path, segment_s: int, still: tuple[float, float] = (0.0, 0.0)) -> Iterator[str]:
    """Serve twelve seconds of ten frames a second with a tone, a segment more each ``segment_s``; yields the URL.

    ``still``: from when to when nothing is added, seconds from the beginning.
    """
    options = {**X264, "x264-params": "keyint=10:bframes=0:scenecut=0"}
    video = make_video(folder / "s.ts", every(100, 120), options=options, gop=10, audio=(0.0, 12.0, 440.0))
    cut = ("-c", "copy", "-f", "hls", "-hls_time", str(segment_s), "-hls_list_size", "0", "-hls_playlist_type", "event")
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(video), *cut, folder / "all.m3u8"], check=True)
    lines = (folder / "all.m3u8").read_text().splitlines(keepends=True)
    ends = [i + 1 for i, line in enumerate(lines) if line.endswith(".ts\n")]
    began = time.monotonic()

    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request, kind="application/vnd.apple.mpegurl")
        if request.path.endswith("m3u8"):
            past = time.monotonic() - began
            past -= max(0.0, min(past, still[1]) - still[0])
            ready = min(len(ends), 1 + int(past / segment_s))
            request.wfile.write("".join(lines[: ends[ready - 1]]).encode())
        else:
            request.wfile.write((folder / request.path.strip("/")).read_bytes())

    with http(answer) as base:
        yield f"{base}/live.m3u8"


def test_a_playlist_of_segments_longer_than_a_read_may_take(tmp_path: Path) -> None:
    """Between two segments nothing comes: that is no stall."""
    with growing_playlist(tmp_path, 3) as url:
        source = live(url, fps=1.0, read_timeout_s=1.0, stall_timeout_s=8.0, audio=False)
        items = take(source, lambda got: len(frames(got)) >= 6)
    assert source.snapshot().failures == {}
    assert np.diff([number_of(b.frames[0]) for b in frames(items)])[1:].tolist() == [10] * 4


def test_a_segment_that_comes_at_once_does_not_overflow_the_buffer(tmp_path: Path) -> None:
    with growing_playlist(tmp_path, 6) as url:
        source = live(url, fps=10.0, read_timeout_s=1.0, stall_timeout_s=8.0, audio=False)
        slow = source.items()
        first = next(slow)
        time.sleep(1.0)
        items = [first, *itertools.islice(slow, 50)]
        source.stop()
    assert source.snapshot().dropped == {}
    assert [number_of(b.frames[0]) for b in frames(items)] == list(range(51))


def test_a_playlist_that_breaks_off_gives_nothing_twice(tmp_path: Path) -> None:
    """The newest segment is given again to whoever comes back soon."""
    with growing_playlist(tmp_path, 2) as url:
        source = live(url, fps=5.0, read_timeout_s=0.5, stall_timeout_s=1.2)
        items = take(source, lambda got: len(frames(got)) >= 20)
    numbers = np.array([number_of(b.frames[0]) for b in frames(items)])
    pts = np.array([b.pts_s[0] for b in frames(items)])
    sounds = [i for i in items if isinstance(i, AudioChunk)]
    assert frames(items)[-1].segment >= 1
    assert (np.diff(numbers) > 0).all()
    np.testing.assert_allclose(np.diff(pts), np.diff(numbers) * 0.1, atol=0.01)
    assert all(a.end_s <= b.start_s + 0.03 for a, b in itertools.pairwise(sounds))


def test_a_playlist_that_stands_still_gives_nothing_twice_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes back is given the newest segment again and again, for as long as the encoder stands still."""
    monkeypatch.setattr(timebase, "REPLAY_S", 2.5)
    with growing_playlist(tmp_path, 2, still=(2.2, 6.2)) as url:
        source = live(url, fps=5.0, read_timeout_s=0.5, stall_timeout_s=1.2)
        items = take(source, lambda got: sum(number_of(b.frames[0]) >= 40 for b in frames(got)) >= 8, 20.0)
    numbers = np.array([number_of(b.frames[0]) for b in frames(items)])
    pts, wall = np.array([(b.pts_s[0], b.wall_time[0]) for b in frames(items)]).T
    assert frames(items)[-1].segment >= 2
    assert (np.diff(numbers) > 0).all()
    np.testing.assert_allclose(wall, pts, atol=3.0)
    sounds = [i for i in items if isinstance(i, AudioChunk)]
    assert sounds[-1].start_s > pts[numbers >= 40][0] - 0.5
    assert all(a.end_s <= b.start_s + 0.03 for a, b in itertools.pairwise(sounds))


def test_motion_jpeg_over_http(tmp_path: Path) -> None:
    """As many cheap cameras have it: pictures one after the other, without any time stamps."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request, kind="multipart/x-mixed-replace; boundary=frame")
        began = time.monotonic()
        for n in range(100):
            image = io.BytesIO()
            Image.fromarray(picture(n)).save(image, "JPEG", quality=90)
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(image.getvalue())}\r\n\r\n"
            request.wfile.write(head.encode() + image.getvalue() + b"\r\n")
            time.sleep(max(0.0, began + 0.1 * n - time.monotonic()))

    with http(answer) as base:
        source = live(f"{base}/mjpeg", audio=False, fps=2.0)
        items = take(source, lambda got: len(frames(got)) >= 8)
    pts = np.array([b.pts_s[0] for b in frames(items)])
    numbers = np.array([number_of(b.frames[0]) for b in frames(items)])
    np.testing.assert_allclose(np.diff(pts)[1:], np.diff(numbers)[1:] * 0.1, atol=0.15)
    assert abs(pts[-1] - frames(items)[-1].wall_time[0]) < 0.5


@pytest.mark.parametrize("inner", ["file:///etc/passwd", "{file}", "concat:{file}"])
def test_playlist_cannot_reach_local_files(inner: str, tmp_path: Path, stream_ts: bytes) -> None:
    secret = tmp_path / "secret.ts"
    secret.write_bytes(stream_ts)
    target = inner.format(file=secret)

    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request, 200 if request.path.endswith("m3u8") else 404, kind="application/vnd.apple.mpegurl")
        request.wfile.write(f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n".encode())

    with http(answer) as base, pytest.raises(SourceError):
        live(f"{base}/live.m3u8").open()


@pytest.fixture(scope="module", params=["basic", "digest"])
def rtsp(request: pytest.FixtureRequest) -> Iterator[int]:
    """An RTSP server that wants credentials, in either way."""
    port = free_port()
    how = ["--digest"] if request.param == "digest" else []
    probe = subprocess.run(
        ["/usr/bin/python3", "-c", "import gi; gi.require_version('GstRtspServer', '1.0')"], check=False
    )
    assert probe.returncode == 0, "install python3-gi and gir1.2-gst-rtsp-server-1.0 (see rtsp_server.py)"
    with process(
        "/usr/bin/python3", str(RTSP_SERVER), str(port), "--user", "viewer", "--password", "s3cret-word", *how
    ):
        wait_for_port(port)
        yield port


def test_rtsp_over_tcp_with_credentials(rtsp: int) -> None:
    source = live(f"rtsp://viewer:s3cret-word@127.0.0.1:{rtsp}/cam", open_timeout_s=8.0, read_timeout_s=4.0)
    info = source.open()
    assert (info.width, info.height, info.has_audio) == (160, 120, True)
    items = take(source, lambda got: len(frames(got)) >= 10 and any(isinstance(i, AudioChunk) for i in got))
    pts = np.array([b.pts_s[0] for b in frames(items)])
    np.testing.assert_allclose(np.diff(pts)[2:], 0.2, atol=0.05)  # the first has no time stamp


def test_rtsp_refuses_wrong_credentials(rtsp: int) -> None:
    with pytest.raises(SourceUnauthorized) as caught:
        live(f"rtsp://viewer:wrong-word@127.0.0.1:{rtsp}/cam", open_timeout_s=8.0).open()
    assert "wrong-word" not in repr(caught.value)


def test_rtsp_path_that_is_not_there(rtsp: int) -> None:
    with pytest.raises(SourceNotFound):
        live(f"rtsp://viewer:s3cret-word@127.0.0.1:{rtsp}/other", open_timeout_s=8.0).open()
