"""Limits by class of route: a page with thumbnails and streams of events works, and an attacker stays bounded.

Real servers and real connections. Clients connect from addresses of the loopback network; all but 127.0.0.1 are
treated as remote, as loopback itself is not limited. The clock of the buckets stands: nothing is refilled.
"""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Response
from fastapi.responses import StreamingResponse

from daemon.config.sections.http import HttpConfig
from daemon.http import Access, HttpServer, access, connections, guard
from daemon.http.connections import MOST_OF_ONE, NEW
from daemon.http.guard import Guard, refused
from daemon.http.limits import LIMITS, RequestLimits, RouteClass, limited
from tests.support.clocks import FakeClock

pytestmark = pytest.mark.realtime

TOKEN = "a-long-enough-token"
HEADERS = {"authorization": f"Bearer {TOKEN}"}
HERE, VIEWER, ATTACKER, PROXY = "127.0.0.1", "127.0.0.7", "127.0.0.8", "127.0.0.9"
STREAMS = LIMITS[RouteClass.STREAM].most_open

Browse = Callable[..., httpx.Client]


async def events() -> AsyncIterator[bytes]:
    """Yield server-sent events, ten a second."""
    for number in range(6000):
        yield b"data: %d\n\n" % number
        await asyncio.sleep(0.1)


def web_app() -> FastAPI:
    """Return an application with routes of the classes that a page uses."""
    app = FastAPI()
    api = APIRouter(prefix="/api", dependencies=[limited(RouteClass.API)])
    app.add_exception_handler(HTTPException, refused)

    @app.get("/", dependencies=[limited(RouteClass.PAGE)])
    def page() -> Response:
        return Response("<html>")

    @api.get("/events")
    def listed() -> list[int]:
        return [1, 2]

    @app.get("/thumbnails/{number}", dependencies=[limited(RouteClass.MEDIA)])
    def thumbnail(number: int) -> Response:
        return Response(bytes(8 << 10), media_type="image/jpeg")

    @app.get("/stream", dependencies=[limited(RouteClass.STREAM)])
    async def stream() -> StreamingResponse:
        return StreamingResponse(events(), media_type="text/event-stream")

    @app.get("/healthz", dependencies=[limited(RouteClass.PROBE)])
    def healthz() -> Response:
        return Response()

    app.include_router(api)
    return app


@pytest.fixture
def browse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browse]:
    """Start a server; return how to make a browser at an address: six connections, kept alive."""

    def address_of(client: tuple[str, int] | None) -> access.Address | None:
        found = access.client_address(client)
        return found if str(found) in (HERE, "None") else ip_address(f"203.0.113.{str(found).rpartition('.')[2]}")

    monkeypatch.setattr(connections, "client_address", address_of)
    monkeypatch.setattr(guard, "client_address", address_of)
    config = HttpConfig.model_validate({"token": TOKEN, "proxy": {"addresses": ["203.0.113.9"]}})
    granted = Access.of(config)
    server = HttpServer(Guard(web_app(), granted, FakeClock()), HERE, 0, is_trusted=granted.is_proxy)
    server.start()
    with ExitStack() as stack:

        def _browse(address: str, most: int = 6, **options: Any) -> httpx.Client:
            pool = httpx.Limits(max_connections=most, max_keepalive_connections=most)
            transport = httpx.HTTPTransport(local_address=address, limits=pool)
            client = httpx.Client(transport=transport, base_url=server.url, headers=HEADERS, timeout=30)
            return stack.enter_context(client)

        yield _browse
    server.stop()


def fetched(client: httpx.Client, paths: list[str]) -> list[int]:
    """Fetch all paths with six threads, as a browser does; return the status codes."""
    codes: list[int] = []
    waiting = iter(paths)
    lock = threading.Lock()

    def fetch() -> None:
        while True:
            with lock:
                path = next(waiting, None)
            if path is None:
                return
            code = client.get(path).status_code
            with lock:
                codes.append(code)

    threads = [threading.Thread(target=fetch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return codes


PAGE = ["/", *["/api/events"] * 5, *(f"/thumbnails/{n}" for n in range(30))]


def opened(client: httpx.Client, stack: ExitStack, path: str = "/stream") -> httpx.Response:
    return stack.enter_context(client.stream("GET", path))


def test_a_page_with_thumbnails_and_streams_loads_again_and_again(browse: Browse) -> None:
    with ExitStack() as stack:
        streams = [opened(browse(VIEWER), stack) for _ in range(2)]  # two tabs
        received = [stream.iter_lines() for stream in streams]
        client = browse(VIEWER)
        for _ in range(8):
            assert Counter(fetched(client, PAGE)) == {200: len(PAGE)}
        for lines in received:
            assert next(lines) == "data: 0"
        assert [stream.status_code for stream in streams] == [200, 200]


def test_streams_do_not_use_up_what_others_need(browse: Browse) -> None:
    with ExitStack() as stack:
        for _ in range(STREAMS):
            assert opened(browse(VIEWER, 1), stack).status_code == 200
        refusal = opened(browse(VIEWER, 1), stack)
        assert (refusal.status_code, refusal.headers["retry-after"]) == (429, "1")
        assert opened(browse(ATTACKER, 1), stack).status_code == 200, "another address has its own"
        assert Counter(fetched(browse(VIEWER), PAGE)) == {200: len(PAGE)}


def test_a_stream_whose_client_has_left_makes_room(browse: Browse) -> None:
    with ExitStack() as stack:
        for _ in range(STREAMS):
            opened(browse(VIEWER, 1), stack)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with ExitStack() as stack:
            if opened(browse(VIEWER, 1), stack).status_code == 200:
                return
        time.sleep(0.2)
    pytest.fail("streams of clients that have left are still counted")


def test_a_stream_that_is_not_read_is_ended_and_one_that_is_read_stays(
    browse: Browse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PATIENCE_S", 0.5)

    async def flood() -> AsyncIterator[bytes]:
        for _ in range(100_000):
            yield bytes(1 << 16)
            await asyncio.sleep(0)

    with ExitStack() as stack:
        stream = opened(browse(VIEWER), stack)
        lines = stream.iter_lines()
        monkeypatch.setattr(f"{__name__}.events", flood)
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.bind((ATTACKER, 0))
            deaf.connect((HERE, urlsplit(str(browse(HERE).base_url)).port))
            deaf.sendall(f"GET /stream HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
            time.sleep(4)
            deaf.settimeout(20)
            read = 0
            try:
                while part := deaf.recv(1 << 16):
                    read += len(part)
            except ConnectionError:
                pass
            assert read < 100_000 << 16  # it was cut
        assert [line for line, _ in zip(lines, range(60), strict=False)][-2].startswith("data: ")


def test_an_attacker_is_bounded_and_disturbs_nobody_else(browse: Browse) -> None:
    burst = LIMITS[RouteClass.MEDIA].burst
    assert Counter(fetched(browse(ATTACKER), ["/thumbnails/1"] * (burst + 50))) == {200: burst, 429: 50}
    assert browse(ATTACKER).get("/api/events").status_code == 200, "other classes have buckets of their own"
    assert Counter(fetched(browse(VIEWER), PAGE)) == {200: len(PAGE)}
    assert Counter(fetched(browse(HERE), ["/healthz"] * 100)) == {200: 100}


def test_connections_of_one_address_are_bounded_but_those_of_a_proxy(browse: Browse) -> None:
    place = (HERE, urlsplit(str(browse(HERE).base_url)).port)

    def ends(address: str, count: int) -> list[bool]:
        with ExitStack() as stack:
            held = [stack.enter_context(socket.create_connection(place, 20, (address, 0))) for _ in range(count)]
            assert browse(HERE).get("/healthz").status_code == 200
            time.sleep(0.5)
            return [is_closed(connection) for connection in held]

    assert ends(ATTACKER, MOST_OF_ONE + 10).count(True) == 10
    assert ends(PROXY, MOST_OF_ONE + 10).count(True) == 0


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_a_page_does_not_need_more_than_it_may() -> None:
    """The arithmetic behind the table: three people behind one address, each with a page of 30 thumbnails."""
    assert LIMITS[RouteClass.MEDIA].burst >= 3 * 3 * 30
    assert MOST_OF_ONE >= 3 * 6 + STREAMS
    assert guard.REQUESTS[0] >= max(limit.burst for limit in LIMITS.values()) * 2
    assert NEW[0] >= MOST_OF_ONE


def test_a_request_that_ended_is_open_no_longer() -> None:
    limits, kind = RequestLimits(FakeClock()), RouteClass.METRICS

    def opened_by(client: str | None, stack: ExitStack) -> None:
        stack.enter_context(limits.request(client))(kind)

    with ExitStack() as held:
        for _ in range(LIMITS[kind].most_open):
            opened_by("a", held)
        with pytest.raises(HTTPException), ExitStack() as refused_one:
            opened_by("a", refused_one)
        opened_by("b", held)
        for _ in range(100):
            opened_by(None, held)
    with ExitStack() as again:
        opened_by("a", again)
    assert not limits._open
