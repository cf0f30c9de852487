"""A Ray cluster is joined: streams run on all machines, and what they leave is where the daemon runs."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.clocks import wait_until
from tests.support.programs.daemon import RED, Running, json_lines, published, running, watchword, write_config
from tests.support.programs.ray_cluster import ENVIRONMENT, Cluster, head, two_machines
from tests.support.serving.servers import closed_port, http, paced, start, unresponsive
from tests.support.streams.live import encoded
from tests.support.streams.pipelines import RED_TWICE, write_colours
from workers.events.evidence import pictured_event
from workers.events.timestamps import iso
from workers.state_layout import StateLayout

pytestmark = [pytest.mark.process, pytest.mark.ray]

WORK: dict[str, Any] = {
    "cameras": {"good": {"url": "good.mp4"}},
    "events": RED,
    "runtime": "ray",
}
PASS_S = 7.0
VIDEO = b"".join(encoded([("grey", 1), ("red", 4), ("grey", 2)]))


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.mark.long
def test_an_existing_cluster_is_joined_and_left_running(tmp_path: Path) -> None:
    write_colours(tmp_path / "good.mp4", RED_TWICE)
    with head(tmp_path / "ray.log") as address:
        config = write_config(tmp_path, **WORK, ray={"address": address})
        for _ in range(2):
            done = watchword("run", config, "--once", "--json")
            assert done.returncode == 0, done.stderr
            assert [e["event"] for e in json_lines(done.stdout)] == ["red", "red"]


def test_a_cluster_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    write_colours(tmp_path / "good.mp4", RED_TWICE)
    config = write_config(tmp_path, **WORK, ray={"address": f"127.0.0.1:{closed_port()}"})
    done = watchword("run", config, "--once")
    assert done.returncode == 4
    assert "error [ray_unreachable]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_daemon_outside_of_the_cluster_is_a_clear_error(tmp_path: Path) -> None:
    write_colours(tmp_path / "good.mp4", RED_TWICE)
    with unresponsive() as address:
        done = watchword("run", write_config(tmp_path, **WORK, ray={"address": address}), "--once")
    assert done.returncode == 4
    assert f"error [ray_unreachable]: this machine is not a node of the Ray cluster at {address}" in done.stderr
    assert f"ray start --address={address}" in done.stderr


def camera(request: BaseHTTPRequestHandler) -> None:
    """Send a video in real time: a live camera, which is connected to again at its end."""
    start(request)
    paced(request.wfile.write, VIDEO, PASS_S)


@contextmanager
def watching(folder: Path) -> Iterator[tuple[Cluster, Running]]:
    """Watch two cameras and a file on two machines; the second camera is watched by the far one."""
    home = folder / "home"
    home.mkdir()
    write_colours(home / "good.mp4", RED_TWICE)
    with two_machines(home, folder) as cluster, http(camera, host=cluster.link.here) as url:
        cameras = {
            "near": {"url": f"{url}/a.ts"},
            "file": {"url": "good.mp4"},
            "far": {"url": f"{url}/b.ts"},
        }
        events = {"red": {"describe": "a red picture", "max_false_alerts": "9/day"}}
        sections = WORK | {"cameras": cameras, "events": events, "ray": {"address": cluster.address}}
        config = write_config(home, **sections)
        with running(config, home) as daemon:
            daemon.wait_for("models loaded")
            yield cluster, daemon


def told(daemon: Running, camera: str, kind: str) -> list[dict[str, Any]]:
    """Return the log lines about a camera's events of a type."""
    wanted = {"event": "event", "camera": camera, "type": kind}
    return [line for line in json_lines(daemon.log()) if wanted.items() <= line.items()]


def actors_on(cluster: Cluster) -> Counter[str]:
    """Return how many actors of each kind the far machine runs."""
    commands = [" ".join(psutil.Process(pid).cmdline()) for pid in cluster.far_pids()]
    return Counter(title[1] for title in map(re.compile(r"ray::(\w+Actor)\b").match, commands) if title)


@pytest.mark.long
def test_state_and_events_of_all_machines_are_where_the_daemon_runs(tmp_path: Path) -> None:
    home = tmp_path / "home"
    layout = StateLayout(home / "state")
    with watching(tmp_path) as (cluster, daemon):
        wait_until(lambda: all(told(daemon, camera, "new") for camera in ("near", "file", "far")), 60)
        assert actors_on(cluster) == {"StreamActor": 1}
        assert daemon.end() == 0
        assert cluster.far_files(home) == []
    lines = daemon.log().splitlines()
    assert [line for line, count in Counter(lines).items() if count > 1] == []
    assert {path.name for path in layout.budgets.iterdir()} == {"near.json", "far.json"}
    events = published(home)
    assert {e["camera"] for e in events} == {"near", "far", "file"}
    for event in events:
        assert Path(event["evidence"]["snapshot"]).is_relative_to(layout.evidence / event["camera"])
        assert Path(event["evidence"]["snapshot"]).is_file()


@pytest.mark.long
def test_a_machine_that_dies_costs_seconds_and_forgetting_reaches_what_it_saw(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with watching(tmp_path) as (cluster, daemon):
        wait_until(lambda: bool(told(daemon, "far", "end")), 60)
        began = told(daemon, "far", "new")[0]["start"]
        cluster.kill_far()
        killed = time.time()
        wait_until(lambda: any(e["end"] > killed for e in told(daemon, "far", "end")), 90)
        up = min(e["start"] for e in told(daemon, "far", "new") if e["start"] > killed) - killed
        assert up < 30, f"watched again after {up:.0f} s"
        wait_until(lambda: any(e["start"] > killed for e in told(daemon, "near", "new")), 30)
        times = ("--from", iso(began - 1), "--to", iso(killed))
        done = watchword("forget", "--config", home / "config.yaml", "--camera", "far", *times, "--yes")
        assert done.returncode == 0, done.stderr
        assert "nothing is left" in done.stdout
        assert daemon.end() == 0
    left = published(home)
    assert {e["camera"] for e in left} == {"near", "far", "file"}
    assert all(e["start"] > killed - 1 for e in left if e["camera"] == "far")
    pictures = (home / "state" / "evidence" / "far").glob("*/*")
    assert {pictured_event(p) for p in pictures} == {e["id"] for e in left if e["camera"] == "far"}
