"""Commands and programs of the documents, as they are written, against a running daemon."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from tests.support.documents.documents import documented, environment, run_commands
from tests.support.programs.daemon import ALWAYS, ENDLESS, running, write_config
from tests.support.serving.servers import free_port
from tests.support.streams.pipelines import SAMPLE, write_colours

pytestmark = [pytest.mark.process, pytest.mark.realtime]

PORT = "127.0.0.1:8765"  # in the documents; the tests use a free one
TOKENS = {"WATCHWORD_TOKEN": "token-of-everything" * 2, "WATCHWORD_HEALTH_TOKEN": "token-of-health" * 2}
BEARER = {"Authorization": f"Bearer {TOKENS['WATCHWORD_TOKEN']}"}


class Place:
    """A folder with ``config.yaml``, whose daemon runs."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address

    def here(self, script: str) -> str:
        """Return a script for the port of this daemon."""
        return script.replace(PORT, self.address)

    def run(self, script: str, **env: str) -> str:
        """Run a script to its end; return what it printed."""
        done = run_commands(self.here(script), self.folder, TOKENS | env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run_until(self, text: str, script: str, timeout_s: float = 120, **env: str) -> str:
        """Run a script that does not end until it has printed ``text``; end it by Ctrl-C; return what it printed."""
        return run_until(text, self.here(script), self.folder, TOKENS | env, timeout_s)


def run_until(text: str, script: str, folder: Path, env: dict[str, str], timeout_s: float = 120) -> str:
    """See ``Place.run_until``."""
    out = folder / "output.txt"
    with out.open("w") as printed:
        # whoever runs the tests as a background job has Ctrl-C ignored
        command = ["env", "--default-signal=INT", "sh", "-e", "-c", script]
        done = subprocess.Popen(
            command, cwd=folder, env=environment(env), stdout=printed, stderr=subprocess.STDOUT, process_group=0
        )
    try:
        deadline = time.monotonic() + timeout_s
        while text not in out.read_text():
            assert done.poll() is None, out.read_text()
            assert time.monotonic() < deadline, f"no {text!r} in:\n{out.read_text()}"
            time.sleep(0.1)
        os.killpg(done.pid, signal.SIGINT)
        done.wait(60)
    finally:
        if done.poll() is None:
            os.killpg(done.pid, signal.SIGKILL)
            done.wait()
    return out.read_text()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    tokens = {"monitoring": {"token": TOKENS["WATCHWORD_HEALTH_TOKEN"], "may": ["health"]}}
    http = {"port": 0, "token": TOKENS["WATCHWORD_TOKEN"], "tokens": tokens}
    config = write_config(folder, http=http, cameras={"front_door": {"url": ENDLESS}}, events=ALWAYS)
    with running(config, folder) as daemon:
        daemon.wait_for('"event_name": "something"')
        match = re.search(r'"url": "http://([^"]+:\d+)"', daemon.log())
        assert match
        yield Place(folder, match[1])


def test_health(place: Place) -> None:
    assert '"front_door"' in place.run(documented("docs/operations.md", "$ curl -fsS -H"))


def test_api(place: Place) -> None:
    printed = place.run_until("event: revision", documented("docs/api.md", "$ curl -fsS -H"))
    assert printed.startswith('{"events":[{')


def test_api_changes_a_rule(place: Place) -> None:
    version = httpx.get(f"http://{place.address}/api/v1/rules", headers=BEARER).json()["version"]
    script = documented("docs/api.md", "$ curl -fsS -X PUT").replace("404a5d9428fe3c86", version)
    assert json.loads(place.run(script))["version"] != version
    assert "a cat" in (place.folder / "config.yaml").read_text()


def test_feedback(place: Place) -> None:
    events = httpx.get(f"http://{place.address}/api/v1/events", headers=BEARER).json()["events"]
    event = next(e["id"] for e in events if e["event"] == "something")
    printed = place.run(documented("docs/feedback.md", "$ watchword events list").replace("0001cafe", event))
    assert printed.endswith(f"{event}: wrong\n")
    script = documented("docs/feedback.md", "$ curl -fsS -X POST").replace("0001cafe", event)
    assert json.loads(place.run(script)) == {"verdict": "wrong", "can_be_judged": True}
    learned = json.loads(place.run("watchword feedback list --json"))
    assert (learned["event"], learned["clicks"], learned["in_force"]) == ("something", 1, 0)


def test_events_from_redis(place: Place) -> None:
    if shutil.which("redis-cli") is None:
        pytest.skip("redis-cli is absent: install the Debian package redis-tools")
    url = documented("docs/events.md", "$ export REDIS_URL=")
    group = 'redis-cli -u "$REDIS_URL" XGROUP CREATE watchword:events alarms 0\n'
    assert "front_door" in place.run(url + group + documented("docs/events.md", "$ redis-cli -u"))


@pytest.mark.long
def test_forgetting(place: Place) -> None:
    assert place.run(documented("docs/privacy.md", "$ watchword forget"))


@pytest.mark.long
def test_a_reader_in_node(place: Place) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is absent")
    (place.folder / "reader.js").write_text(documented("docs/recipes.md", "const { createClient }"))
    script = documented("docs/recipes.md", "$ npm install redis@5") + "exec node reader.js\n"
    client = redis.Redis.from_url(place.run("watchword events url config.yaml").strip(), decode_responses=True)
    body = json.dumps({"camera": "door", "event": "cat", "start_time": "2026-01-01T00:00:00Z", "score": 0.9})

    def add_an_event() -> None:
        while not any(group["name"] == "node" for group in client.xinfo_groups("watchword:events")):
            time.sleep(0.1)
        client.xadd("watchword:events", {"type": "new", "body": body})

    threading.Thread(target=add_an_event, daemon=True).start()
    assert place.run_until("door cat 2026-01-01T00:00:00Z 0.9", script, timeout_s=300)


@pytest.mark.long
def test_your_own_cameras(tmp_path: Path) -> None:
    write_colours(tmp_path / "video.mp4", [("grey", 2), ("red", 3)])
    write_config(
        tmp_path, cameras={"front_door": {"url": "video.mp4", "loop": True}}, events={"red": {"describe": "red"}}
    )
    script = documented("README.md", "$ export WATCHWORD_DOOR_PASSWORD=")
    printed = run_until('"event_name": "red"', script, tmp_path, {})
    assert "front_door" in printed.partition('"listening"')[0]  # what `check --connect` says
    assert '"draining"' in printed


@pytest.mark.long
def test_quick_start(tmp_path: Path) -> None:
    command = ["ffmpeg", "-v", "error", "-i", str(SAMPLE), "-t", "20", "-c", "copy", str(tmp_path / "clip.mp4")]
    subprocess.run(command, check=True)
    started = run_commands(documented("docs/quick-start.md", "$ watchword init"), tmp_path)
    assert started.returncode == 0, started.stdout + started.stderr
    port = free_port()
    with (tmp_path / "config.yaml").open("a") as config:
        config.write(f"http: {{port: {port}}}\nruntime: local\nlogs: {{format: json}}\n")
    run_until('"type": "end"', documented("docs/quick-start.md", "$ watchword run"), tmp_path, {}, 500)
    listed = run_commands(documented("docs/quick-start.md", "$ watchword events list"), tmp_path, {"COLUMNS": "200"})
    assert "a_cat" in listed.stdout
    assert "someone_talks_about_a_parcel" in listed.stdout
