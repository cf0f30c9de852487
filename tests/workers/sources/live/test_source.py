"""Live sources against real servers: what arrives, what fails, what comes back."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
import structlog

from tests.support.clocks import wait_until
from tests.support.serving.servers import free_port, http, paced, start, tcp
from tests.support.streams.live import X264, frames, live, take
from tests.support.videos.media import every, make_video, number_of
from workers.errors import (
    SourceChanged,
    SourceError,
    SourceInvalid,
    SourceNotFound,
    SourceTimeout,
    SourceUnauthorized,
    SourceUnreachable,
)
from workers.sources.live.source import LiveSource
from workers.types import SAMPLE_RATE_HZ, AudioChunk, FrameBatch, Interruption, MediaLimits

pytestmark = pytest.mark.realtime


@pytest.fixture
def running() -> Iterator[Callable[[LiveSource], LiveSource]]:
    """Drain a source in the background; stop it at the end."""
    sources: list[LiveSource] = []

    def run(source: LiveSource) -> LiveSource:
        sources.append(source)
        threading.Thread(target=lambda: list(source.items()), daemon=True).start()
        return source

    yield run
    for source in sources:
        source.stop()


def test_http_stream_gives_frames_in_time_with_sound(stream_ts: bytes) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request)
        paced(request.wfile.write, stream_ts, 10.0)

    with http(answer) as base:
        source = live(f"{base}/cam.ts")
        before = time.time()
        items = take(source, lambda got: len(frames(got)) >= 10 and any(isinstance(i, AudioChunk) for i in got))
        source.close()
    batches = frames(items)
    pts = np.concatenate([b.pts_s for b in batches])
    numbers = [number_of(b.frames[0]) for b in batches]
    assert np.all(np.diff(pts) > 0)
    assert numbers == sorted(numbers)
    assert np.allclose(np.diff(pts), np.diff(numbers) * 0.04, atol=1e-3)
    assert before - 0.1 <= pts[0] <= time.time()
    assert all(b.frames.shape == (1, 32, 48, 3) for b in batches)
    assert abs(batches[-1].wall_time[-1] - pts[-1]) < 3.0
    assert source.snapshot().frames_sampled >= 10


def test_lost_connection_comes_back_as_a_new_epoch_later_in_time(stream_ts: bytes) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request)
        paced(request.wfile.write, stream_ts, 2.0, stop_at=0.2001)  # in the middle of a packet

    with http(answer) as base:
        source = live(f"{base}/cam.ts", audio=False)
        items = take(source, lambda got: len({b.segment for b in frames(got)}) >= 3)
        source.close()
    assert all(a.pts_s[-1] < b.pts_s[0] for a, b in zip(frames(items), frames(items)[1:], strict=False))
    assert sum(source.snapshot().failures.values()) >= 2


def test_a_stream_that_takes_too_much_decoding_is_left_and_tried_again(
    stream_ts: bytes, running: Callable[[LiveSource], LiveSource]
) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request)
        paced(request.wfile.write, stream_ts, 10.0)

    with http(answer) as base:
        source = running(live(f"{base}/cam.ts", audio=False, limits=MediaLimits(max_pixel_rate=2000)))
        wait_until(lambda: source.snapshot().failures.get("source_too_large", 0) >= 2)
        found = source.snapshot()
    assert "limits.pixel_rate" in (found.last_error or "")
    assert found.frames_sampled > 0


def test_server_that_stops_sending_is_left_and_tried_again(
    stream_ts: bytes, running: Callable[[LiveSource], LiveSource]
) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request)
        request.wfile.write(stream_ts[: len(stream_ts) // 3])
        request.wfile.flush()
        time.sleep(20)

    with http(answer) as base:
        source = running(live(f"{base}/cam.ts", read_timeout_s=0.5))
        wait_until(lambda: source.snapshot().failures.get("source_timeout", 0) >= 2)
    assert source.snapshot().frames_sampled > 0


@pytest.mark.parametrize("audio", [True, False])
def test_sound_without_frames_is_a_stall(
    audio: bool, tmp_path: Path, running: Callable[[LiveSource], LiveSource]
) -> None:
    """The camera's encoder hangs, its microphone goes on."""
    path = make_video(tmp_path / "hung.ts", every(40, 25), options=X264, audio=(0.0, 20.0, 300.0))

    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request)
        paced(request.wfile.write, path.read_bytes(), 8.0)

    with http(answer) as base:
        source = running(live(f"{base}/cam.ts", stall_timeout_s=1.0, audio=audio))
        wait_until(lambda: source.snapshot().failures.get("source_timeout", 0) >= 1)
    assert "no frame for 1 s" in (source.snapshot().last_error or "")


def test_keyframes_far_apart_are_no_stall(tmp_path: Path) -> None:
    long_gop = {"x264-params": "keyint=100:bframes=0:scenecut=0", "tune": "zerolatency"}
    stream = make_video(tmp_path / "slow.ts", every(40, 125), options=long_gop, gop=100).read_bytes()

    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request)
        paced(request.wfile.write, stream, 5.0)

    with http(answer) as base:
        source = live(f"{base}/cam.ts", fps="keyframes", stall_timeout_s=1.0)
        items = take(source, lambda got: len(frames(got)) >= 2)
    assert [number_of(b.frames[0]) for b in frames(items)] == [0, 100]
    assert [b.segment for b in frames(items)] == [0, 0]


def test_what_came_before_a_break_is_given_and_then_the_break_is_told(stream_ts: bytes) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request)
        request.wfile.write(stream_ts[: len(stream_ts) * 3 // 20])  # a second and a half
        time.sleep(20)

    with http(answer) as base:
        source = live(f"{base}/cam.ts", read_timeout_s=0.5)
        items = take(source, lambda got: any(isinstance(i, Interruption) for i in got))
    assert items[-1] == Interruption("door", 1)
    sound = np.concatenate([i.samples for i in items if isinstance(i, AudioChunk)])
    assert 1.1 < len(sound) / SAMPLE_RATE_HZ < 1.6
    assert {i.segment for i in items[:-1]} == {0}


@pytest.mark.parametrize("breaks_off", [False, True])
def test_a_camera_that_was_silent_after_accepting_is_in_time(breaks_off: bool, stream_ts: bytes) -> None:
    """What FFmpeg reads to find out about a stream hides when it came."""
    began: list[float] = []

    def serve(connection: socket.socket) -> None:
        time.sleep(4)
        began.append(time.time())
        paced(connection.sendall, stream_ts, 10.0, stop_at=0.15 if breaks_off else 1.0)

    with tcp(serve) as port:
        source = live(f"tcp://127.0.0.1:{port}", open_timeout_s=10.0, read_timeout_s=10.0)
        items = take(source, lambda got: len(frames(got)) >= (5 if breaks_off else 12))
    first = frames(items)[0]
    assert number_of(first.frames[0]) == 0
    assert began[0] - 0.2 < first.pts_s[0] < began[0] + (1.7 if breaks_off else 0.7)


def test_a_camera_that_comes_back_with_sound_is_a_change(stream_ts: bytes, tmp_path: Path) -> None:
    mute = make_video(tmp_path / "mute.ts", every(40, 50), options=X264, gop=25).read_bytes()
    visits = iter([(mute, 2.0), (mute, 2.0), (stream_ts, 10.0)])

    def serve(connection: socket.socket) -> None:
        paced(connection.sendall, *next(visits))

    with tcp(serve) as port:
        source = live(f"tcp://127.0.0.1:{port}")
        with pytest.raises(SourceChanged, match="it now has video and audio"):
            list(source.items())
        source.close()
    assert next(visits, None) is None
    assert source.snapshot().frames_sampled > 10


def test_streams_that_are_numbered_anew_go_on(tmp_path: Path) -> None:
    """The encoder behind a relay was started again: the connection stays, the transport stream's PIDs change."""
    anew = {"mpegts_start_pid": "512"}
    before = make_video(tmp_path / "before.ts", every(40, 50), options=X264, gop=25).read_bytes()
    after = make_video(
        tmp_path / "after.ts", every(40, 50, 2000), options=X264, gop=25, first=50, container=anew
    ).read_bytes()

    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request)
        paced(request.wfile.write, before + after, 4.0)
        time.sleep(20)

    with http(answer) as base:
        items = take(live(f"{base}/cam.ts"), lambda got: len(frames(got)) >= 18)
    assert {i.segment for i in items} == {0}
    assert number_of(frames(items)[-1].frames[0]) > 75


def silent(connection: socket.socket) -> None:
    connection.recv(1000)
    time.sleep(20)


@pytest.mark.parametrize("scheme", ["http", "rtsp", "tcp"])
def test_server_that_accepts_and_never_answers_times_out(scheme: str) -> None:
    with tcp(silent) as port:
        source = live(f"{scheme}://127.0.0.1:{port}/cam", open_timeout_s=1.0, read_timeout_s=0.5)
        began = time.monotonic()
        with pytest.raises(SourceTimeout):
            source.open()
        assert time.monotonic() - began < 4


def test_udp_without_sender_times_out() -> None:
    port = free_port(socket.SOCK_DGRAM)
    with pytest.raises(SourceTimeout):
        live(f"udp://127.0.0.1:{port}", open_timeout_s=1.0, read_timeout_s=0.5).open()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, SourceUnauthorized), (403, SourceUnauthorized), (404, SourceNotFound), (503, SourceUnreachable)],
)
def test_http_refusals(status: int, kind: type[SourceError]) -> None:
    with http(lambda r: start(r, status)) as base:
        host = base.removeprefix("http://")
        with pytest.raises(kind) as caught:
            live(f"http://viewer:s3cret-word@{host}/cam?token=abcdef").open()
    assert "s3cret-word" not in repr(caught.value)
    assert "abcdef" not in repr(caught.value)
    assert "door" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("scheme", ["http", "rtsp", "tcp"])
def test_connection_refused(scheme: str) -> None:
    with pytest.raises(SourceUnreachable):
        live(f"{scheme}://127.0.0.1:{free_port()}/cam").open()


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_unknown_host(scheme: str) -> None:
    with pytest.raises(SourceUnreachable):
        live(f"{scheme}://camera.invalid/cam", open_timeout_s=8.0, read_timeout_s=8.0).open()


def test_text_page_is_no_media() -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        page = b"<html>login first</html>" * 50
        request.send_response(200)
        request.send_header("Content-Length", str(len(page)))
        request.end_headers()
        request.wfile.write(page)

    with http(answer) as base, pytest.raises(SourceInvalid):
        live(f"{base}/cam").open()


def test_items_never_raise_what_the_network_does(running: Callable[[LiveSource], LiveSource]) -> None:
    with http(lambda r: start(r, 404)) as base:
        source = running(live(f"{base}/cam"))
        wait_until(lambda: source.snapshot().failures.get("source_not_found", 0) >= 2)
        assert (source.snapshot().last_error or "").startswith("source_not_found: door")
        assert not source.snapshot().up


def test_stop_ends_items_at_once(stream_ts: bytes) -> None:
    with tcp(silent) as port:
        source = live(f"tcp://127.0.0.1:{port}", read_timeout_s=3.0)
        threading.Timer(0.2, source.stop).start()
        began = time.monotonic()
        assert list(source.items()) == []
        assert time.monotonic() - began < 1


def test_slow_reader_gets_the_freshest_and_losses_are_counted(stream_ts: bytes) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request)
        request.wfile.write(stream_ts)
        time.sleep(20)

    with http(answer) as base:
        source = live(f"{base}/cam.ts", fps=25.0, audio=False)
        items = source.items()
        next(items)
        wait_until(lambda: source.snapshot().dropped.get("buffer_full", 0) > 100)
        time.sleep(0.3)
        fresh = next(items)
        source.stop()
    assert isinstance(fresh, FrameBatch)
    assert number_of(fresh.frames[0]) > 100


def test_missing_webcam_is_named() -> None:
    with pytest.raises(SourceNotFound, match="video99"):
        live("webcam:///dev/video99").open()


def test_logs_tell_each_change_once_and_no_secret(running: Callable[[LiveSource], LiveSource]) -> None:
    with http(lambda r: start(r, 401)) as base, structlog.testing.capture_logs() as logs:
        host = base.removeprefix("http://")
        source = running(live(f"http://viewer:s3cret-word@{host}/cam"))
        wait_until(lambda: source.snapshot().failures.get("source_unauthorized", 0) >= 3)
        source.stop()
    assert [(entry["event"], entry["code"]) for entry in logs] == [("source_down", "source_unauthorized")]
    assert "s3cret-word" not in str(logs) + str(source.snapshot())
