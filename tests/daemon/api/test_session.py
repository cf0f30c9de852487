"""Login, logout, and what a session may not do on behalf of other sites."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from starlette.datastructures import Headers

from daemon.config.sections.http import HttpConfig
from daemon.http import guard
from daemon.http.access import Access
from daemon.http.sessions import COOKIE, LASTS_S, MOST, Sessions
from tests.daemon.api.conftest import ALL, DOOR, GRAPHS, Serve, Served
from tests.support.clocks import FakeClock

MARK = {"x-watchword": "1"}


def logged_in(served: Served, token: str = ALL) -> httpx.Client:
    client = served.client(None, **MARK)
    answer = client.post("session", json={"token": token})
    assert (answer.status_code, answer.content) == (204, b"")
    return client


def test_a_page_logs_in_with_a_token_and_out_again(serve: Serve) -> None:
    served = serve()
    client = served.client(None, **MARK)
    assert client.get("me").json()["error"] == "token_required"
    answer = client.post("session", json={"token": DOOR})
    cookie = answer.headers["set-cookie"]
    for attribute in ("HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={LASTS_S}"):
        assert attribute in cookie
    assert "Secure" not in cookie
    assert client.get("me").json() == {
        "name": "door",
        "may": ["edit", "health", "upload", "view"],
        "cameras": ["door"],
    }
    value = client.cookies[COOKIE]
    assert client.delete("session").status_code == 204
    assert COOKIE not in client.cookies
    assert client.get("me", headers={"cookie": f"{COOKIE}={value}"}).status_code == 401


def test_a_browser_that_sees_https_keeps_the_cookie_for_https(serve: Serve) -> None:
    served = serve()
    host = served.url.removeprefix("http://")
    for scheme, secure in (("https", True), ("http", False)):
        answer = served.client(None, origin=f"{scheme}://{host}").post("session", json={"token": ALL})
        assert ("Secure" in answer.headers["set-cookie"]) == secure


def test_a_wrong_token_logs_nobody_in_and_guessing_is_slowed(serve: Serve) -> None:
    served = serve()
    client = served.client(None)
    statuses = [client.post("session", json={"token": f"wrong-{n}"}).status_code for n in range(guard.FAILURES[0] + 2)]
    assert statuses == [401] * guard.FAILURES[0] + [429] * 2
    answer = client.post("session", json={"token": ALL})
    assert (answer.status_code, answer.json()["error"]) == (429, "too_many_requests")
    assert int(answer.headers["retry-after"]) >= 1
    assert served.client().get("me").status_code == 200  # others are not locked out


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "csrf_header_missing"),
        ({"x-watchword": "0"}, "csrf_header_missing"),
        (MARK | {"origin": "https://evil.example"}, "cross_site"),
        (MARK | {"origin": "null"}, "cross_site"),
        (MARK | {"sec-fetch-site": "cross-site"}, "cross_site"),
        (MARK | {"sec-fetch-site": "same-site"}, "cross_site"),
    ],
)
def test_a_page_of_another_site_changes_nothing(serve: Serve, headers: dict[str, str], code: str) -> None:
    served = serve()
    cookie = logged_in(served).cookies[COOKIE]
    other = served.client(None, cookie=f"{COOKIE}={cookie}", **headers)
    for method, path in (("PUT", "rules/red"), ("DELETE", "cameras/door"), ("POST", "uploads?name=a.mp4")):
        answer = other.request(method, path, json={})
        assert (answer.status_code, answer.json()["error"]) == (403, code)
    assert other.delete("session").status_code == 403
    assert other.get("me").status_code == 200  # and its session has not ended
    assert served.taken_over == 0


def test_the_own_page_and_programs_are_let_through(serve: Serve) -> None:
    served = serve()
    host = served.url.removeprefix("http://")
    for headers in ({"sec-fetch-site": "same-origin"}, {"origin": f"http://{host}"}, {}):
        client = logged_in(served)
        client.headers.update(headers)
        assert client.put("rules/red", json={}).json()["error"] == "version_required"
    assert served.client().put("rules/red", json={}).json()["error"] == "version_required"  # by token, no header


def test_a_login_cannot_be_sent_by_a_form_of_another_site(serve: Serve) -> None:
    served = serve()
    text = json.dumps({"token": ALL})
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = served.client(None).post("session", content=text, headers={"content-type": kind})
        assert answer.status_code == 422
        assert ALL not in answer.text
    answer = served.client(None, origin="https://evil.example").post("session", json={"token": ALL})
    assert answer.json()["error"] == "cross_site"


def test_without_credentials_configured_a_page_of_another_site_changes_nothing_either(serve: Serve) -> None:
    served = serve(http={"port": 0})
    assert served.client(None).get("me").json()["name"] == "loopback"
    assert served.client(None).put("rules/red", json={}).json()["error"] == "csrf_header_missing"
    assert served.client(None, **MARK).put("rules/red", json={}).json()["error"] == "version_required"


def test_what_is_kept_of_a_session_logs_nobody_in(serve: Serve) -> None:
    served = serve()
    cookie = logged_in(served).cookies[COOKIE]
    path = served.layout.sessions
    assert path.stat().st_mode & 0o077 == 0
    (kept,) = json.loads(path.read_text())
    assert ALL not in path.read_text()
    assert cookie not in path.read_text()
    assert served.client(None, cookie=f"{COOKIE}={kept}").get("me").status_code == 401


def access(path: Path, tokens: dict[str, str], clock: FakeClock) -> Access:
    named: dict[str, Any] = {name: {"token": token, "may": ["view"]} for name, token in tokens.items()}
    return Access.of(HttpConfig.model_validate({"tokens": named}), Sessions(path, clock))


def test_sessions_survive_a_restart_expire_and_end_with_their_token(tmp_path: Path) -> None:
    clock, path = FakeClock(), tmp_path / "sessions.json"
    first = access(path, {"ann": "token-of-ann-here", "bob": "token-of-bob-here"}, clock)
    cookies = {name: first.log_in(f"token-of-{name}-here") for name in ("ann", "bob")}
    assert first.log_in("token-of-nobody-at-all") is None

    def named(granted: Access, name: str) -> str | None:
        found = granted.identify(Headers({"cookie": f"a=b; {COOKIE}={cookies[name]}"}), None)
        return found.name if found else None

    again = access(path, {"ann": "token-of-ann-here"}, clock)
    assert (named(again, "ann"), named(again, "bob")) == ("ann", None)
    clock.now += LASTS_S - 1
    assert named(again, "ann") == "ann"
    clock.now += 2
    assert named(again, "ann") is None


def test_a_damaged_file_of_sessions_only_costs_logins(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    for text in ("{", "[]", '{"a": 1}', '{"a": {"token": "zz", "until": 1}}'):
        path.write_text(text)
        sessions = Sessions(path)
        assert sessions.token_of("x") is None
        assert sessions.token_of(sessions.begin(b"digest")) == b"digest"


def test_sessions_are_bounded(tmp_path: Path) -> None:
    clock = FakeClock()
    sessions = Sessions(None, clock)
    cookies = []
    for _ in range(MOST + 5):
        clock.now += 1
        cookies.append(sessions.begin(b"digest"))
    assert [sessions.token_of(c) is None for c in cookies] == [True] * 5 + [False] * MOST


def test_a_token_without_the_permission_is_told_which(serve: Serve) -> None:
    served = serve()
    for path in ("cameras", "events", "summary", "rules", "uploads", "cameras/door/frame.jpg", "events/x/clip.mp4"):
        answer = served.client(GRAPHS).get(path)
        assert (answer.status_code, answer.json()["error"]) == (403, "permission_missing")
        assert answer.json()["message"].startswith("view: ")
    assert served.client(GRAPHS).get("health").status_code == 200
    assert yaml.safe_load((served.folder / "config.yaml").read_text())["events"]
