"""Who may ask for what, by real requests."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers

from daemon.config.sections.http import HttpConfig
from daemon.http import build_app
from daemon.http.access import Access, client_address
from daemon.observability.snapshot import DaemonSnapshot, SpeechSnapshot, UploadsSnapshot
from tests.support.camera_status import camera_status
from workers.decisions.snapshot import StreamSnapshot, StreamState
from workers.types import SourceSnapshot

Serve = Callable[..., httpx.Client]

ALL, DOOR, GRAPHS = "token-for-everything", "token-for-the-door-only", "token-for-metrics-only"
TOKENS = {
    "door": {"token": DOOR, "cameras": ["door"]},
    "graphs": {"sha256": sha256(GRAPHS.encode()).hexdigest(), "may": ["metrics"]},
}
TWO_CAMERAS = DaemonSnapshot(
    cameras=(
        camera_status(
            StreamSnapshot("door", source=SourceSnapshot(last_error="source_timeout: no answer")),
            restarts=1,
            speech_dropped=1,
        ),
        camera_status(
            StreamSnapshot("bedroom", scores={"undressing": 0.5}, events={"new": 3}),
            restarts=2,
            degraded=True,
            speech_dropped=4,
        ),
    ),
)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_each_token_sees_its_cameras_only(serve: Serve, state: Any) -> None:
    state.now = TWO_CAMERAS
    client = serve(token=ALL, tokens=TOKENS)
    for path in ("/healthz", "/readyz", "/metrics"):
        assert "bedroom" in client.get(path, headers=bearer(ALL)).text
        answer = client.get(path, headers=bearer(DOOR))
        assert "door" in answer.text
        assert "bedroom" not in answer.text
        assert "undressing" not in answer.text


def test_uploads_and_what_was_removed_are_for_those_who_may_know_of_them(serve: Serve, state: Any) -> None:
    """They tell of files and of people's wishes to be forgotten, not of a camera."""
    state.now = replace(
        TWO_CAMERAS, uploads=UploadsSnapshot(7, 3, 41), removed={("evidence", "forget"): 5}, speech=SpeechSnapshot()
    )
    files = "token-for-the-uploads"
    client = serve(token=ALL, tokens=TOKENS | {"files": {"token": files, "cameras": ["uploads"]}})
    told = {token: client.get("/metrics", headers=bearer(token)).text for token in (ALL, files, DOOR)}
    for row in ('watchword_uploads_total{result="done"} 7.0', 'watchword_queue_depth{stage="uploads"} 41.0'):
        assert [t for t, text in told.items() if row in text] == [ALL, files]
    assert [t for t, text in told.items() if 'kind="evidence",reason="forget"} 5.0' in text] == [ALL]
    dropped = {t: client.get("/healthz", headers=bearer(t)).json()["speech"]["dropped"] for t in (ALL, files, DOOR)}
    assert dropped == {ALL: 5, files: 0, DOOR: 1}


def test_trouble_of_other_cameras_is_none_of_its_business(serve: Serve, state: Any) -> None:
    stuck = StreamSnapshot("bedroom", state=StreamState.RUNNING, live=False)
    state.now = DaemonSnapshot(cameras=(camera_status(StreamSnapshot("door")), camera_status(stuck, idle_s=1e5)))
    client = serve(token=ALL, tokens=TOKENS)
    assert client.get("/healthz", headers=bearer(ALL)).status_code == 503
    assert client.get("/healthz", headers=bearer(DOOR)).status_code == 200


STUCK = DaemonSnapshot(cameras=(camera_status(StreamSnapshot("bedroom", state=StreamState.RUNNING), idle_s=1e5),))


@pytest.mark.parametrize("settings", [{}, {"tokens": TOKENS}, {"proxy": {"addresses": ["198.51.100.1"]}}])
def test_this_machine_may_ask_whether_it_is_well_and_learns_nothing_else(
    serve: Serve, state: Any, settings: dict[str, Any]
) -> None:
    client = serve(**settings)
    answer = client.get("/livez")
    assert (answer.status_code, answer.content) == (204, b"")
    state.now = STUCK
    answer = client.get("/livez")
    assert (answer.status_code, answer.content) == (503, b"")
    assert client.get("/healthz").status_code == (401 if settings else 503)
    if not settings:
        assert client.get("/livez", headers={"host": "evil.example"}).status_code == 421


@pytest.mark.parametrize(
    ("client", "status"), [("203.0.113.7", 401), ("10.0.0.5", 204), ("::ffff:10.0.0.5", 204), ("10.0.0.50", 401)]
)
def test_this_machine_is_known_by_its_own_address(client: str, status: int) -> None:
    access = Access.of(HttpConfig.model_validate({"tokens": TOKENS}))
    transport = httpx.ASGITransport(build_app(DaemonSnapshot, access), client=(client, 40_000))

    async def ask() -> tuple[int, int]:
        async with httpx.AsyncClient(transport=transport, base_url="http://10.0.0.5:8765") as asks:
            return (await asks.get("/livez")).status_code, (await asks.get("/healthz")).status_code

    assert asyncio.run(ask()) == (status, 401)


def test_from_elsewhere_it_takes_the_right_to_health_and_tells_of_its_cameras(serve: Serve, state: Any) -> None:
    state.now = STUCK
    client = serve(token=ALL, tokens=TOKENS)
    for token, status in ((ALL, 503), (DOOR, 204), (GRAPHS, 403)):
        assert client.get("/livez", headers=bearer(token)).status_code == status


def test_a_token_may_only_what_it_may(serve: Serve) -> None:
    client = serve(tokens=TOKENS)
    assert client.get("/metrics", headers=bearer(GRAPHS)).status_code == 200
    for path in ("/healthz", "/readyz"):
        answer = client.get(path, headers=bearer(GRAPHS))
        assert (answer.status_code, answer.json()["error"]) == (403, "permission_missing")
        assert answer.json()["message"].startswith("health: ")
    assert client.get("/metrics", headers=bearer(sha256(GRAPHS.encode()).hexdigest())).status_code == 401


def test_a_proxy_names_the_user(serve: Serve, state: Any) -> None:
    state.now = TWO_CAMERAS
    client = serve(proxy={"addresses": ["127.0.0.0/8"], "header": "X-User", "cameras": ["door"]}, token=ALL)
    assert client.get("/healthz").status_code == 401
    answer = client.get("/healthz", headers={"x-user": "ann@example.org", "host": "cameras.example.org"})
    assert answer.status_code == 200
    assert set(answer.json()["cameras"]) == {"door"}
    assert client.get("/healthz", headers={"x-user": ""}).status_code == 401
    twice = [("X-User", "root"), ("x-user", "ann@example.org")]  # the client's own, and the proxy's
    assert client.get("/healthz", headers=twice).status_code == 401
    assert set(client.get("/healthz", headers=bearer(ALL)).json()["cameras"]) == {"door", "bedroom"}


@pytest.mark.parametrize("header", ["x-user", "x-forwarded-for", "forwarded"])
def test_nobody_else_names_a_user(serve: Serve, header: str) -> None:
    client = serve(proxy={"addresses": ["10.0.0.2"], "header": "X-User"})
    headers = {"x-user": "ann", header: "10.0.0.2"}
    assert client.get("/healthz", headers=headers).status_code == 401


def test_each_user_of_a_proxy_sees_what_is_theirs(serve: Serve, state: Any) -> None:
    state.now = TWO_CAMERAS
    users = {"ann@example.org": {"cameras": ["door"]}, "ops": {}, "graphs": {"may": ["metrics"]}}
    client = serve(proxy={"addresses": ["127.0.0.0/8"], "users": users})

    def ask(user: str, path: str = "/healthz") -> httpx.Response:
        return client.get(path, headers={"Remote-User": user})

    assert "bedroom" not in ask("ann@example.org").text
    assert "door" in ask("ann@example.org").text
    assert "bedroom" in ask("ops").text
    assert ask("graphs").status_code == 403
    assert ask("graphs", "/metrics").status_code == 200
    for stranger in ("bob", "OPS", "ops,ann@example.org", ""):
        assert ask(stranger).status_code == 401


def test_a_wrong_token_is_not_rescued_by_the_proxys_header() -> None:
    access = Access.of(HttpConfig.model_validate({"proxy": {"addresses": ["10.0.0.2"]}, "token": ALL}))
    proxy = client_address(("10.0.0.2", 1))
    assert access.identify(Headers({"remote-user": "ann"}), proxy) is not None
    assert access.identify(Headers({"remote-user": "ann", **bearer("wrong")}), proxy) is None


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("10.0.0.2", 1), "10.0.0.2"),
        (("::ffff:10.0.0.2", 1), "10.0.0.2"),
        (("fe80::1%eth0", 1), "fe80::1"),
        (("2001:db8::1", 1), "2001:db8::1"),
        (None, "None"),
        (("", 0), "None"),
    ],
)
def test_addresses(client: tuple[str, int] | None, address: str) -> None:
    assert str(client_address(client)) == address


def test_all_tokens_are_compared_whichever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access.of(HttpConfig.model_validate({"token": ALL, "tokens": TOKENS}))
    compared = []
    true_compare = __import__("hmac").compare_digest
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append((len(a), len(b))) or true_compare(a, b))
    for given, name in ((ALL, "token"), (DOOR, "door"), (GRAPHS, "graphs"), ("wrong", None), ("", None)):
        compared.clear()
        found = access.identify(Headers(bearer(given)), None)
        assert (found.name if found else None) == name
        assert compared == [(32, 32)] * 3
