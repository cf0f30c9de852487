"""The proxy through which cameras are read over HTTP: whom it lets them reach, and that they notice nothing of it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socket import socket

import pytest

from tests.support.serving.servers import http, start, tcp
from tests.support.videos.media import SPEC, camera, every, make_video, opened, playlist
from workers.clock import SystemClock
from workers.errors import SourceUnreachable
from workers.redaction import RedactedUrl
from workers.sources.factory import build_source
from workers.sources.http.proxy import HttpProxy
from workers.types import FrameBatch


class Canary:
    """A service that only this machine can reach; it notes who talks to it, and serves a segment."""

    def __init__(self, segment: bytes) -> None:
        self._segment = segment
        self.heard: list[bytes] = []

    def __call__(self, near: socket) -> None:
        self.heard.append(near.recv(4096))
        near.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n" + self._segment)


@pytest.fixture
def segment(tmp_path: Path) -> bytes:
    return make_video(tmp_path / "a.ts", every(100, 30)).read_bytes()


@pytest.fixture
def canary(segment: bytes) -> Iterator[tuple[Canary, int]]:
    made = Canary(segment)
    with tcp(made) as port:
        yield made, port


@pytest.mark.parametrize("hosts", [("127.0.0.1:{port}",), ("127.0.0.1",), ("LOCALHOST", "127.0.0.1")])
def test_hosts_that_the_user_named_are_reached(hosts: tuple[str, ...], canary: tuple[Canary, int]) -> None:
    listener, port = canary

    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request, kind="application/vnd.apple.mpegurl")
        request.wfile.write(playlist(f"http://127.0.0.1:{port}/x.ts").encode())

    with http(answer) as url:
        info = opened(f"{url}/live.m3u8", hosts=tuple(h.format(port=port) for h in hosts))
    assert info.has_video
    assert listener.heard[0].startswith(b"GET /x.ts HTTP/1.1\r\n")


def test_its_own_host_goes_on_as_before(segment: bytes) -> None:
    asked: list[tuple[str, str | None]] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        signed = request.headers["Authorization"]
        asked.append((request.path, signed))
        if signed is None:
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="camera"')
            request.end_headers()
        elif request.path == "/live.m3u8?a=b":
            start(request, kind="application/vnd.apple.mpegurl")
            request.wfile.write(playlist("seg.ts?n=1").encode())
        else:
            start(request)
            request.wfile.write(segment)

    with http(answer) as url:
        source = build_source(camera(f"{url.replace('//', '//me:secret@')}/live.m3u8?a=b", fps=10), SPEC, SystemClock())
        first = next(source.items())
        source.close()
    assert isinstance(first, FrameBatch)
    assert ("/live.m3u8?a=b", "Basic bWU6c2VjcmV0") in asked
    assert ("/seg.ts?n=1", "Basic bWU6c2VjcmV0") in asked


def test_a_digest_is_of_the_address_that_the_camera_sees(segment: bytes) -> None:
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        signed = request.headers["Authorization"] or ""
        asked.append(request.path)
        if signed.startswith("Digest ") and f'uri="{request.path}"' in signed:
            start(request)
            request.wfile.write(segment)
            return
        request.send_response(401)
        request.send_header("WWW-Authenticate", 'Digest realm="camera", nonce="abc", algorithm=MD5, qop="auth"')
        request.end_headers()

    with http(answer) as url:
        assert opened(f"{url.replace('//', '//me:secret@')}/a.ts").has_video
    assert asked == ["/a.ts", "/a.ts"]


def test_a_proxy_of_the_environment_is_used(segment: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        start(request)
        request.wfile.write(segment)

    with http(answer) as outer:
        monkeypatch.setenv("http_proxy", outer)
        assert opened("http://camera.invalid/a.ts").has_video
    assert asked == ["http://camera.invalid:80/a.ts"]


def test_hosts_that_need_no_proxy_go_past_it(segment: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg would go past the gate as well, if it were told of them."""
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        start(request)
        request.wfile.write(segment)

    with http(answer) as url:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert opened(f"{url}/a.ts").has_video
        assert opened(f"{url}/b.ts").has_video
    assert set(asked) == {"/a.ts", "/b.ts"}


def test_a_host_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(SourceUnreachable):
        opened("http://nowhere.invalid/a.ts")


def test_what_is_no_request_is_dropped_and_threads_end() -> None:
    before = threading.active_count()
    proxy = HttpProxy("door", RedactedUrl("http://127.0.0.1:1/x"))
    port = int(proxy.url.rpartition(":")[2])
    for noise in (
        b"",
        b"\0" * 100,
        b"GET\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\n\r\n",
        b"GET ftp://x/ HTTP/1.1\r\n\r\n",
    ):
        with socket() as near:
            near.connect(("127.0.0.1", port))
            near.sendall(noise)
            near.shutdown(1)
            near.settimeout(5)
            assert near.recv(100)[:12] in (b"", b"HTTP/1.1 400")
    proxy.close()
    for _ in range(100):
        if threading.active_count() <= before:
            break
        threading.Event().wait(0.05)
    assert threading.active_count() <= before
