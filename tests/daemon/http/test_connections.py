"""Clients that hold connections, or send what is no request: real sockets against a real server."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from daemon.http import connections
from daemon.http.access import client_address
from daemon.observability.snapshot import DaemonSnapshot
from tests.support.camera_status import camera_status
from workers.decisions.snapshot import StreamSnapshot

pytestmark = pytest.mark.realtime

Serve = Callable[..., httpx.Client]
Connect = Callable[[httpx.Client], socket.socket]


@pytest.fixture
def connect() -> Iterator[Connect]:
    with ExitStack() as stack:

        def _connect(client: httpx.Client) -> socket.socket:
            address = ("127.0.0.1", urlsplit(str(client.base_url)).port)
            return stack.enter_context(socket.create_connection(address, timeout=20))

        yield _connect


def is_ended(connection: socket.socket) -> bool:
    """Read until the other side ends the connection, or 20 s."""
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET"],
)
def test_a_connection_that_sends_no_whole_request_is_ended(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "PATIENCE_S", 0.5)
    client = serve()
    slow = connect(client)
    slow.sendall(sent)
    assert client.get("/healthz").status_code == 200
    assert is_ended(slow)


def test_a_head_that_trickles_in_is_ended(serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE_S", 0.5)
    slow = connect(serve())
    slow.settimeout(0.05)
    started, ended = time.monotonic(), False
    while not ended and time.monotonic() - started < 20:
        try:
            slow.sendall(b"G")
            ended = slow.recv(1) == b""
        except TimeoutError:
            continue
        except ConnectionError:
            ended = True
    assert ended


def test_a_client_that_does_not_read_is_ended(serve: Serve, monkeypatch: pytest.MonkeyPatch, state: Any) -> None:
    monkeypatch.setattr(connections, "PATIENCE_S", 0.5)
    state.now = DaemonSnapshot(cameras=tuple(camera_status(StreamSnapshot(f"camera-{n}")) for n in range(2000)))
    client, began = serve(), time.monotonic()
    assert len(client.get("/metrics").content) > 1_000_000
    took_s = time.monotonic() - began
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", urlsplit(str(client.base_url)).port))
        deaf.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        time.sleep(3 + 4 * took_s)  # the server makes an answer or two first
        deaf.settimeout(20)
        read = 0
        with suppress(ConnectionError):
            while part := deaf.recv(65536):
                read += len(part)
        assert 0 < read < 20 * 1_000_000  # it was cut


def test_a_busy_connection_is_kept(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE_S", 0.5)
    place = urlsplit(str(serve().base_url))
    busy = HTTPConnection(place.hostname or "", place.port, timeout=20)
    busy.connect()
    same, until = busy.sock, time.monotonic() + 4
    while time.monotonic() < until:
        busy.request("GET", "/livez")
        response = busy.getresponse()
        response.read()
        assert (response.status, busy.sock) == (204, same)
        time.sleep(0.02)
    busy.close()


def test_one_client_gets_so_many_connections(serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    address = "203.0.113.7"
    monkeypatch.setattr(connections, "client_address", lambda _: ip_address(address))
    client = serve()
    held = [connect(client) for _ in range(connections.MOST_OF_ONE)]
    assert is_ended(connect(client))
    with pytest.raises(httpx.TransportError):
        client.get("/healthz")
    address = "203.0.113.8"
    assert client.get("/healthz").status_code == 200
    address = "203.0.113.7"
    for connection in held:
        connection.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            assert client.get("/healthz", headers={"connection": "close"}).status_code == 200
            break
        except httpx.TransportError:
            time.sleep(0.05)
    else:
        pytest.fail("the connections were not forgotten")


def test_others_do_not_keep_this_machine_out(serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 5)
    numbers = iter(range(1, 250))
    true_address = client_address
    monkeypatch.setattr(connections, "client_address", lambda _: ip_address(f"203.0.113.{next(numbers)}"))
    client = serve()
    held = [connect(client) for _ in range(5)]
    assert is_ended(connect(client))
    monkeypatch.setattr(connections, "client_address", true_address)
    more = [connect(client) for _ in range(30)]
    assert client.get("/healthz").status_code == 200
    assert len(held) + len(more) == 35


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", b"4"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"4"),
        (b"GET /healthz?" + b"x" * 17_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"431"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"4"),
        (b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"DELETE /healthz HTTP/1.1\r\nHost: localhost\r\nX-Watchword: 1\r\n\r\n", b"405"),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", b"200"),
        (b"GET /..%2f..%2fetc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
    ],
)
def test_what_is_no_request_of_ours_is_refused_without_details(
    serve: Serve, connect: Connect, sent: bytes, status: bytes
) -> None:
    client = serve()
    odd = connect(client)
    odd.sendall(sent)
    odd.shutdown(socket.SHUT_WR)
    answer = b""
    try:
        while part := odd.recv(65536):
            answer += part
    except ConnectionError:  # what was sent beyond the limit was not read
        pass
    assert answer.startswith(b"HTTP/1.1 " + status), answer
    for told in (b"Traceback", b"uvicorn", b"starlette", b"fastapi", b"Server:", b"python"):
        assert told.lower() not in answer.lower()
    assert client.get("/healthz").status_code == 200
