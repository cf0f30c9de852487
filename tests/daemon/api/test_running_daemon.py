"""The API of a daemon as a user runs it, from the login to rules that change while cameras go on; Redis is away."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from daemon.http.sessions import COOKIE
from tests.support.programs.daemon import ALWAYS, ENDLESS, running, write_config
from tests.support.serving.servers import closed_port
from tests.support.videos.media import every, make_video

pytestmark = pytest.mark.process

TOKEN = "a-token-for-everything"


def until(check: Callable[[], Any], timeout_s: float = 90) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := check()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


@pytest.mark.parametrize("runtime", ["local", pytest.param("ray", marks=[pytest.mark.ray, pytest.mark.long])])
def test_a_page_works_on_a_running_daemon_while_redis_is_away(runtime: str, tmp_path: Path) -> None:
    config = write_config(
        tmp_path,
        runtime=runtime,
        cameras={"hall": {"url": ENDLESS}, "yard": {"url": ENDLESS}},
        events=ALWAYS,
        redis={"url": f"redis://127.0.0.1:{closed_port()}/0"},
        http={"port": 0, "token": TOKEN},
        uploads={"folder": "in", "done": "done"},
    )
    with running(config, tmp_path) as daemon:
        daemon.wait_for("models loaded")
        http = client(daemon.log())
        assert http.post("session", json={"token": TOKEN}).status_code == 204
        until(lambda: {c["state"] for c in http.get("cameras").json()["cameras"]} == {"up"})
        frame = until(lambda: (a := http.get("cameras/hall/frame.jpg")).status_code == 200 and a)
        assert frame.content[:2] == b"\xff\xd8"
        event = until(lambda: http.get("events?camera=hall").json()["events"])[0]
        assert http.get(f"events/{event['id']}").json()["event"]["id"] == event["id"]
        until(lambda: http.get(f"events/{event['id']}/snapshot.jpg").status_code == 200)
        with http.stream("GET", "stream?after=0") as answer:
            seen = next(json.loads(line[6:]) for line in answer.iter_lines() if line.startswith('data: {"schema"'))
        assert seen["camera"] in ("hall", "yard")
        changed_while_running(http)
        uploaded(http, tmp_path)
        daemon.end()
    with running(config, tmp_path) as daemon:
        daemon.wait_for("listening")
        again = client(daemon.log(), http.cookies[COOKIE])
        assert again.get("me").json()["name"] == "token"  # the session has survived the restart
        assert event["id"] in again.get("events?limit=500").text


def client(log: str, cookie: str | None = None) -> httpx.Client:
    url = re.findall(r"http://127\.0\.0\.1:\d+", log)[0]
    http = httpx.Client(base_url=f"{url}/api/v1/", trust_env=False, headers={"x-watchword": "1"}, timeout=30)
    if cookie:
        http.cookies[COOKIE] = cookie
    return http


def changed_while_running(http: httpx.Client) -> None:
    """A new rule is looked for by cameras that go on, and a camera is removed."""
    before = {c["name"]: c["restarts"] for c in http.get("cameras").json()["cameras"]}
    rule = {"describe": "a picture that is grey", "threshold": 0.000001, "min_duration": 0}
    version = http.get("rules").headers["etag"]
    answer = http.put("rules/greyish", json=rule, headers={"if-match": version})
    assert answer.status_code == 200, answer.text
    until(lambda: http.get("events?event=greyish").json()["events"])
    after = {c["name"]: c["restarts"] for c in http.get("cameras").json()["cameras"]}
    assert after == before
    answer = http.delete("cameras/yard", headers={"if-match": answer.json()["version"]})
    assert answer.json()["changes"]["cameras_removed"] == ["yard"]
    until(lambda: [c["name"] for c in http.get("cameras").json()["cameras"]] == ["hall"])


def uploaded(http: httpx.Client, folder: Path) -> None:
    """A file arrives, is processed, and has results."""
    make_video(folder / "film.mp4", every(100, 30))
    assert http.post("uploads?name=film.mp4", content=(folder / "film.mp4").read_bytes()).status_code == 201
    until(lambda: [done["name"] for done in http.get("uploads").json()["done"]] == ["film.mp4"])
    assert http.get("uploads/film.mp4/results.json").json()["events"]
