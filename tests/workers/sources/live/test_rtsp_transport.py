"""RTSP servers that refuse RTP over TCP: watched by UDP."""

import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.support.programs.processes import process
from tests.support.serving.servers import RTSP_SERVER, free_port, tcp, wait_for_port
from tests.support.streams.live import frames, live, take
from tests.support.videos.media import opened
from workers.errors import SourceUnsupported

pytestmark = pytest.mark.realtime

DESCRIPTION = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"


@pytest.fixture(scope="module")
def udp_only() -> Iterator[int]:
    """A server that answers 461 to who asks for TCP."""
    probe = subprocess.run(
        ["/usr/bin/python3", "-c", "import gi; gi.require_version('GstRtspServer', '1.0')"], check=False
    )
    assert probe.returncode == 0, "install python3-gi and gir1.2-gst-rtsp-server-1.0 (see rtsp_server.py)"
    port = free_port()
    with process("/usr/bin/python3", str(RTSP_SERVER), str(port), "--udp"):
        wait_for_port(port)
        yield port


def seen(port: int) -> int:
    """Return how many frames came; the first attempt must succeed."""
    source = live(f"rtsp://127.0.0.1:{port}/cam", open_timeout_s=8.0, read_timeout_s=4.0, stall_timeout_s=6.0)
    got = frames(take(source, lambda got: len(frames(got)) >= 5, 25.0))
    assert source.snapshot().reconnects == {}
    return len(got)


def test_a_server_that_refuses_tcp_is_watched_by_udp(udp_only: int) -> None:
    assert seen(udp_only) >= 5


def test_a_server_that_refuses_tcp_in_another_way_is_watched_by_udp(udp_only: int) -> None:
    """Some answer 400 where 461 is meant."""

    def relay(near: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", udp_only)) as far:
            asking = threading.Thread(target=_copy, args=(near, far, lambda data: data), daemon=True)
            asking.start()
            _copy(far, near, lambda data: re.sub(rb"RTSP/1.0 461 [^\r]*", b"RTSP/1.0 400 Bad Request", data))

    with tcp(relay) as port:
        assert seen(port) >= 5


def _copy(source: socket.socket, sink: socket.socket, change: Callable[[bytes], bytes]) -> None:
    with suppress(OSError):  # the other one hung up
        while data := source.recv(65536):
            sink.sendall(change(data))


def test_a_server_that_refuses_both_is_said_to() -> None:
    def refuse(near: socket.socket) -> None:
        while head := near.recv(4096).decode():
            number = head.split("CSeq: ")[1].split()[0]
            status, rest = "461 Unsupported Transport", ""
            if head.startswith("OPTIONS"):
                status = "200 OK"
            if head.startswith("DESCRIBE"):
                status = "200 OK"
                rest = f"Content-Type: application/sdp\r\nContent-Length: {len(DESCRIPTION)}\r\n\r\n{DESCRIPTION}"
            near.sendall(f"RTSP/1.0 {status}\r\nCSeq: {number}\r\n{rest or chr(13) + chr(10)}".encode())

    with tcp(refuse) as port, pytest.raises(SourceUnsupported, match="refuses RTP over TCP and over UDP"):
        opened(f"rtsp://127.0.0.1:{port}/cam")
