"""What FFmpeg does when an RTSP server sends it elsewhere: SECURITY.md tells exactly this, and changes with it."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support.serving.servers import tcp
from tests.support.videos.media import SPEC, camera
from workers.clock import SystemClock
from workers.errors import SourceError, SourceTimeout, SourceUnauthorized
from workers.sources.factory import build_source

MEDIA = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
USUAL = {
    "OPTIONS": "200 OK\r\nPublic: DESCRIBE, SETUP, PLAY\r\n\r\n",
    "DESCRIBE": f"200 OK\r\nContent-Type: application/sdp\r\nContent-Length: {len(MEDIA)}\r\n\r\n{MEDIA}",
}
Serve = Callable[..., tuple["Server", str]]


class Server:
    """Notes the requests that it gets, and answers each by its method."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = USUAL | answers
        self.heard: list[str] = []

    def __call__(self, near: socket.socket) -> None:
        head = b""
        while more := near.recv(4096):
            head += more
            while b"\r\n\r\n" in head:
                request, _, head = head.partition(b"\r\n\r\n")
                self.heard.append(request.decode())
                method, number = request.decode().split()[0], request.decode().split("CSeq: ")[1].split()[0]
                status, _, rest = self.answers[method].partition("\r\n")
                near.sendall(f"RTSP/1.0 {status}\r\nCSeq: {number}\r\n{rest}".encode())

    @property
    def methods(self) -> list[str]:
        return [request.split()[0] for request in self.heard]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that answers methods as told; return it and where it is."""
    with ExitStack() as stack:

        def _serve(answers: dict[str, str]) -> tuple[Server, str]:
            server = Server(answers)
            return server, f"127.0.0.1:{stack.enter_context(tcp(server))}"

        yield _serve


def moved(location: str) -> str:
    return f"302 Moved\r\nLocation: {location}\r\n\r\n"


def refused(place: str) -> SourceError:
    """Open a camera there; return its error."""
    source = build_source(
        camera(f"rtsp://viewer:s3cret-word@{place}/cam", open_timeout_s=1.0, read_timeout_s=1.0), SPEC, SystemClock()
    )
    with pytest.raises(SourceError) as error:
        source.open()
    source.close()
    return error.value


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE"])
def test_a_redirect_to_rtsp_is_followed_to_any_host_with_the_credentials(serve: Serve, method: str) -> None:
    there, place = serve({"OPTIONS": '401 no\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n'})
    _, here = serve({method: moved(f"rtsp://{place}/chosen")})
    assert isinstance(refused(here), SourceUnauthorized)
    assert there.methods == ["OPTIONS", "OPTIONS"]
    assert there.heard[0].startswith(f"OPTIONS rtsp://{place}/chosen RTSP/1.0\r\n")
    assert "Authorization: Basic " in there.heard[1]


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE"])
@pytest.mark.parametrize("scheme", ["rtsps", "http", "file"])
def test_no_other_protocol_is_followed(serve: Serve, method: str, scheme: str) -> None:
    there, place = serve({})
    _, here = serve({method: moved(f"{scheme}://{place}/chosen")})
    refused(here)
    assert there.heard == []


def test_later_redirects_are_not_followed(serve: Serve) -> None:
    there, place = serve({})
    first, here = serve({"SETUP": moved(f"rtsp://{place}/chosen")})
    refused(here)
    assert first.methods == 2 * ["OPTIONS", "DESCRIBE", "SETUP"]  # by TCP, and by UDP
    assert there.heard == []


def test_redirects_in_a_circle_end_with_the_time_limit(serve: Serve) -> None:
    server, here = serve({})
    server.answers["OPTIONS"] = moved(f"rtsp://{here}/cam")
    assert isinstance(refused(here), SourceTimeout)
    assert len(server.heard) > 10  # FFmpeg does not count them
