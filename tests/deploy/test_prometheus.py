"""deploy/prometheus is what Prometheus itself accepts, and each alert fires when it should and only then."""

import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from daemon.observability.metrics import render_metrics
from daemon.observability.snapshot import DaemonSnapshot
from tests.support.programs.daemon import RED, running, write_config
from tests.support.programs.processes import process
from tests.support.serving.servers import free_port, http, paced, start
from tests.support.videos.media import every, make_video

pytestmark = [pytest.mark.process, pytest.mark.realtime]

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
ALERTMANAGER = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"


def promtool(*arguments: str) -> str:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is absent: install the Debian package prometheus")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_scrape_config_is_valid() -> None:
    assert "1 rule files found" in promtool("check", "config", str(FOLDER / "prometheus.yml"))


def test_alert_rules_are_valid() -> None:
    assert "17 rules found" in promtool("check", "rules", str(FOLDER / "alerts.yml"))


def test_alerts_fire_when_they_should() -> None:
    promtool("test", "rules", str(Path(__file__).with_name("alerts.test.yml")))


def test_every_alert_is_tested_and_has_its_place_in_the_runbook() -> None:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    names = {rule["alert"] for group in groups for rule in group["rules"]}
    tests = Path(__file__).with_name("alerts.test.yml").read_text()
    runbook = (ROOT / "docs" / "operations.md").read_text()
    assert names == set(re.findall(r"alertname: (\w+)", tests))
    assert names == set(re.findall(r"`(Watchword\w+)`", runbook))


def exported() -> set[str]:
    return set(re.findall(r"^# TYPE (\w+)", render_metrics(DaemonSnapshot()).decode(), re.M))


def test_alerts_ask_for_metrics_that_the_daemon_exports() -> None:
    asked = set(re.findall(r"watchword_\w+", (FOLDER / "alerts.yml").read_text()))
    assert {name.removesuffix("_bucket") for name in asked} <= exported()


def test_runbook_tells_every_metric_and_no_other() -> None:
    table = (ROOT / "docs" / "operations.md").read_text().split("## Metrics")[1].split("## Alerts")[0]
    told = set(re.findall(r"`([a-z_]+)(?:\{[\w,]+\})?`", table)) - {"watchword_"}
    assert {f"watchword_{name}" for name in told} == exported()


def shortened(folder: Path, port: int, alertmanager: int) -> Path:
    """Write our configuration for a daemon and an Alertmanager on ports: every second, and rules that do not wait."""
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    (manager,) = config["alerting"]["alertmanagers"]
    manager["static_configs"] = [{"targets": [f"127.0.0.1:{alertmanager}"]}]
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    for rule in (r for group in rules["groups"] for r in group["rules"]):
        rule.pop("for", None)
    (folder / "alerts.yml").write_text(yaml.safe_dump(rules))
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def delivering(folder: Path, url: str) -> Path:
    """Write our configuration of Alertmanager, without its waits; ``url`` in place of ntfy."""
    config = yaml.safe_load(ALERTMANAGER.read_text())
    config["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    ((receiver,),) = [r["webhook_configs"] for r in config["receivers"]]
    receiver["url"] = url + receiver["url"].removeprefix("http://ntfy")
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def asked(port: int, path: str, **query: str) -> list[dict[str, Any]]:
    """Return what Prometheus answers; raise ``HTTPError`` while it starts: its port is open before it is ready."""
    answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/{path}", params=query).raise_for_status()
    found: list[dict[str, Any]] = answer.json()["data"]["alerts" if path == "alerts" else "result"]
    return found


def fires(port: int, yes: str = "", no: str = "") -> bool:
    """Tell whether one alert fires and another does not.

    Both in one answer: on a busy machine a scrape now and then misses its second, and for that moment the daemon is
    down and its cameras unknown.
    """
    firing = {a["labels"]["alertname"] for a in asked(port, "alerts") if a["state"] == "firing"}
    return (not yes or yes in firing) and no not in firing


def delivers(port: int) -> bool:
    """Tell whether the camera was up at the last scrape."""
    return bool(asked(port, "query", query='watchword_stream_up{camera="door"} == 1'))


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(httpx.HTTPError):
            if condition():
                return
        time.sleep(0.2)
    raise AssertionError("it did not happen in time")


def test_a_real_prometheus_fires_for_a_camera_that_is_down_tells_and_clears(tmp_path: Path) -> None:
    if shutil.which("prometheus") is None or shutil.which("prometheus-alertmanager") is None:
        pytest.skip("install the Debian packages prometheus and prometheus-alertmanager")
    options = {"x264-params": "keyint=10:bframes=0:scenecut=0", "tune": "zerolatency"}
    stream = make_video(tmp_path / "s.ts", every(100, 600), options=options, gop=10).read_bytes()
    works = threading.Event()
    told: list[tuple[str, dict[str, Any]]] = []

    def take(request: BaseHTTPRequestHandler) -> None:
        told.append((request.path, json.loads(request.rfile.read(int(request.headers["Content-Length"])))))
        start(request, 200)

    def was_told(name: str, status: str) -> bool:
        alerts = [
            alert for path, body in told if path == "/watchword?template=alertmanager" for alert in body["alerts"]
        ]
        return (name, status) in {(alert["labels"]["alertname"], alert["status"]) for alert in alerts}

    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request, 200 if works.is_set() else 503)
        if works.is_set():
            paced(request.wfile.write, stream, 60.0)

    with http(answer) as base, http(take) as ntfy:
        cameras = {"door": {"url": f"{base}/cam.ts", "audio": False}}
        config = write_config(tmp_path, cameras=cameras, events=RED)
        with running(config, tmp_path) as daemon:
            daemon.wait_for("source_down")
            match = re.search(r'"url": "http://[^"]+:(\d+)"', daemon.log())
            assert match, daemon.log()
            port, manager = free_port(), free_port()
            settings = (
                f"--config.file={delivering(tmp_path, ntfy)}",
                f"--storage.path={tmp_path / 'alertmanager'}",
                f"--web.listen-address=127.0.0.1:{manager}",
                "--cluster.listen-address=",
            )
            flags = (
                f"--config.file={shortened(tmp_path, int(match[1]), manager)}",
                f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            )
            with process("prometheus-alertmanager", *settings), process("prometheus", *flags):
                until(lambda: fires(port, "WatchwordCameraDown", no="WatchwordDown"))
                until(lambda: was_told("WatchwordCameraDown", "firing"))
                works.set()
                until(lambda: delivers(port) and fires(port, no="WatchwordCameraDown"))
                until(lambda: was_told("WatchwordCameraDown", "resolved"))
                assert daemon.end() == 0
                until(lambda: fires(port, "WatchwordDown"))
