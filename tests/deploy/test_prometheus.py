"""deploy/prometheus is what Prometheus itself accepts, and each alert fires when it should and only then."""

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
from daemon_process import running, write_config
from media_servers import free_port, http, paced, process, start
from source_media import every, make_video

from daemon.metrics import render_metrics
from daemon.snapshots import DaemonSnapshot

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "prometheus"


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
    assert "10 rules found" in promtool("check", "rules", str(FOLDER / "alerts.yml"))


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


def shortened(folder: Path, port: int) -> Path:
    """Write our configuration for a daemon on ``port``: every second, and rules that do not wait."""
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    for rule in (r for group in rules["groups"] for r in group["rules"]):
        rule.pop("for", None)
    (folder / "alerts.yml").write_text(yaml.safe_dump(rules))
    path = folder / "prometheus.yml"
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


def test_a_real_prometheus_fires_for_a_camera_that_is_down_and_clears(tmp_path: Path) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("install the Debian package prometheus")
    options = {"x264-params": "keyint=10:bframes=0:scenecut=0", "tune": "zerolatency"}
    stream = make_video(tmp_path / "s.ts", every(100, 600), options=options, gop=10).read_bytes()
    works = threading.Event()

    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request, 200 if works.is_set() else 503)
        if works.is_set():
            paced(request.wfile.write, stream, 60.0)

    with http(answer) as base:
        cameras = {"door": {"url": f"{base}/cam.ts", "audio": False}}
        events = {"cat": {"describe": "a cat", "modalities": ["vision"]}}
        config = write_config(tmp_path, cameras=cameras, events=events)
        with running(config, tmp_path) as daemon:
            daemon.wait_for("source_down")
            match = re.search(r'"url": "http://[^"]+:(\d+)"', daemon.log())
            assert match, daemon.log()
            port = free_port()
            flags = (
                f"--config.file={shortened(tmp_path, int(match[1]))}",
                f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            )
            with process("prometheus", *flags):
                until(lambda: fires(port, "WatchwordCameraDown", no="WatchwordDown"))
                works.set()
                until(lambda: delivers(port) and fires(port, no="WatchwordCameraDown"))
                assert daemon.end() == 0
                until(lambda: fires(port, "WatchwordDown"))
