"""Limits: fair, bounded, and never for this machine's own health checks."""

import asyncio
from ipaddress import ip_address
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from daemon.config.sections.http import HttpConfig
from daemon.http import guard
from daemon.http.access import Access
from daemon.http.guard import BODY_BYTES, Guard
from daemon.http.rate import KEPT, RateLimit, client_key
from tests.support.clocks import FakeClock

TOKEN = "a-long-enough-token"
AWAY = "203.0.113.7"


@given(st.lists(st.floats(0, 5), max_size=200))
def test_never_more_than_burst_and_rate(pauses: list[float]) -> None:
    clock = FakeClock()
    limit, start, let = RateLimit(5, 2.0, clock), clock.now, 0
    for pause in pauses:
        clock.now += pause
        let += not limit.take("a")
        assert let <= 5 + 2.0 * (clock.now - start) + 1e-6


def test_after_the_told_wait_it_is_let_in_again() -> None:
    clock = FakeClock()
    limit = RateLimit(2, 0.25, clock)
    assert [limit.take("a") for _ in range(3)] == [0, 0, 4]
    assert (limit.wait("a"), limit.wait("b")) == (4, 0)
    assert limit.take("b") == 0
    clock.now += 4
    assert [limit.take("a") for _ in range(2)] == [0, 4]


def test_memory_is_bounded() -> None:
    limit = RateLimit(1, 0.001, FakeClock())
    for number in range(3 * KEPT):
        limit.take(str(number))
    assert len(limit._buckets) == KEPT


def test_an_ipv6_client_is_its_network() -> None:
    assert client_key(ip_address("2001:db8::1")) == client_key(ip_address("2001:db8::ffff:1"))
    assert client_key(ip_address("2001:db8::1")) != client_key(ip_address("2001:db8:0:1::1"))


async def read(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


def client(address: str, clock: FakeClock, **settings: Any) -> httpx.AsyncClient:
    """A client whose requests seem to come from ``address``."""
    inner = Starlette(routes=[Route("/", read, methods=["GET", "POST"])])
    inner.add_exception_handler(HTTPException, guard.refused)
    app = Guard(inner, Access.of(HttpConfig.model_validate(settings)), clock)
    transport = httpx.ASGITransport(app, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers={"x-watchword": "1"})


async def _statuses(asker: httpx.AsyncClient, count: int, token: str) -> list[int]:
    headers = {"authorization": f"Bearer {token}"}
    return [(await asker.get("/", headers=headers)).status_code for _ in range(count)]


def test_too_many_requests_are_told_when_to_come_back() -> None:
    async def run() -> None:
        clock = FakeClock()
        asker = client(AWAY, clock, token=TOKEN)
        burst = guard.REQUESTS[0]
        assert await _statuses(asker, burst + 2, TOKEN) == [200] * burst + [429] * 2
        answer = await asker.get("/")
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["error"] == "too_many_requests"
        assert answer.headers["x-content-type-options"] == "nosniff"
        clock.now += 1
        assert await _statuses(asker, 1, TOKEN) == [200]

    asyncio.run(run())


def test_who_guesses_tokens_is_not_listened_to_for_a_while() -> None:
    async def run() -> None:
        clock = FakeClock()
        asker = client(AWAY, clock, token=TOKEN)
        burst = guard.FAILURES[0]
        with capture_logs() as logs:
            assert await _statuses(asker, burst + 3, "a-wrong-token") == [401] * burst + [429] * 3
        assert await _statuses(asker, 1, TOKEN) == [429]  # nor where a guess is right
        assert [(entry["client"], entry["log_level"]) for entry in logs] == [(AWAY, "warning")]
        clock.now += 4
        assert await _statuses(asker, 1, TOKEN) == [200]

    asyncio.run(run())


@pytest.mark.parametrize("headers", [{}, {"cookie": "watchword_session=of-a-session-that-ended"}])
def test_who_sends_no_token_guesses_none(headers: dict[str, str]) -> None:
    """A page left open whose session ended must not lock out the users behind its address."""

    async def run() -> None:
        clock = FakeClock()
        asker = client(AWAY, clock, token=TOKEN)
        for _ in range(3 * guard.FAILURES[0]):
            assert (await asker.get("/", headers=headers)).status_code == 401
        assert await _statuses(asker, 1, TOKEN) == [200]
        assert await _statuses(asker, guard.FAILURES[0] + 1, "a-wrong-token") == [401] * guard.FAILURES[0] + [429]
        clock.now += 60
        for _ in range(guard.REQUESTS[0]):  # not counted as guesses, but as requests
            assert (await asker.get("/", headers=headers)).status_code == 401
        assert (await asker.get("/", headers=headers)).status_code == 429

    asyncio.run(run())


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.8.8.8"])
def test_this_machine_is_never_locked_out(address: str) -> None:
    async def run() -> None:
        asker = client(address, FakeClock(), token=TOKEN)
        assert set(await _statuses(asker, 300, "a-wrong-token")) == {401}
        assert set(await _statuses(asker, 300, TOKEN)) == {200}

    asyncio.run(run())


def test_a_proxys_users_are_not_locked_out_together() -> None:
    async def run() -> None:
        asker = client("10.0.0.2", FakeClock(), proxy={"addresses": ["10.0.0.2"]})
        assert {(await asker.get("/")).status_code for _ in range(300)} == {401}
        assert (await asker.get("/", headers={"remote-user": "ann"})).status_code == 200

    asyncio.run(run())


def test_a_body_is_bounded_whether_or_not_it_tells_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    async def in_parts(size: int, pause_s: float = 0.0):
        for _ in range(size >> 16):
            await asyncio.sleep(pause_s)
            yield bytes(1 << 16)

    async def run() -> None:
        asker = client("127.0.0.1", FakeClock())
        assert (await asker.post("/", content=bytes(BODY_BYTES))).text == str(BODY_BYTES)
        assert (await asker.post("/", content=in_parts(BODY_BYTES))).text == str(BODY_BYTES)
        for content in (bytes(BODY_BYTES + 1), in_parts(2 * BODY_BYTES)):
            answer = await asker.post("/", content=content)
            assert (answer.status_code, answer.json()["error"]) == (413, "body_too_large")
        monkeypatch.setattr(guard, "BODY_PAUSE_S", 0.05)
        answer = await asker.post("/", content=in_parts(1 << 17, 5.0))
        assert (answer.status_code, answer.json()["error"]) == (408, "body_too_slow")

    asyncio.run(run())
