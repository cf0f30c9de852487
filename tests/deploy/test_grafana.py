"""The dashboard asks for metrics that the daemon exports, and a real Prometheus answers each of its questions."""

import json
import re
import shutil
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from daemon.observability.metrics import render_metrics
from daemon.observability.snapshot import (
    AlertsSnapshot,
    DaemonSnapshot,
    EncoderSnapshot,
    SpeechSnapshot,
    TargetSnapshot,
    VerificationSnapshot,
)
from daemon.vlm.types import VlmSnapshot
from tests.support.camera_status import camera_status
from tests.support.programs.processes import process
from tests.support.serving.servers import free_port, http, start
from workers.decisions.snapshot import StreamSnapshot, StreamState
from workers.publish.base import SinkSnapshot
from workers.telemetry import Histogram
from workers.types import ModelInfo, SourceSnapshot

DASHBOARD = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "dashboard.json"
PANELS: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
QUESTIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]


def busy_daemon(seconds: int) -> DaemonSnapshot:
    """A daemon that has counted something of everything that the dashboard shows, more with every second."""
    histogram = Histogram()
    for _ in range(seconds + 1):
        histogram.observe(0.3)
    counts = {"events": {"new": seconds}, "scores": {"cat": 0.5}, "thresholds": {"cat": 0.7}}
    budgets = {"budgets": {"cat": 0.1}, "budget_alerts": {"cat": 0.05}, "budget_hours": {"cat": 5.0}}
    lost = {"dropped": {"overload": seconds}, "reconnects": {"source_timeout": seconds}}
    source = SourceSnapshot(up=True, frames_sampled=seconds, last_frame_wall=time.time(), **lost)  # type: ignore[arg-type]
    stream = StreamSnapshot(
        "door",
        StreamState.RUNNING,
        live=True,
        source=source,
        stages={"encode": histogram.snapshot()},
        latency=histogram.snapshot(),
        **counts,  # type: ignore[arg-type]
        **budgets,  # type: ignore[arg-type]
    )
    opinions = VerificationSnapshot(1, 2.0, histogram.snapshot(), {"confirmed": seconds}, {})
    asked = VlmSnapshot("http://x", "tiny", seconds, seconds, {}, 9, histogram.snapshot(), 5, 9, 95)
    model = ModelInfo("lite/x@1", "lite", "x", "1", 8, "MIT", "cpu", 1.0)
    return DaemonSnapshot(
        (camera_status(stream),),
        EncoderSnapshot(model),
        speech=SpeechSnapshot(),
        publisher=SinkSnapshot(spool_oldest_s=1.0),
        alerts=AlertsSnapshot(
            {"phone": TargetSnapshot(True, seconds, 0, 0, 0, 0.0, histogram.snapshot())}, {"cooldown": seconds}
        ),
        verification=opinions,
        vlm=(asked,),
    )


def test_it_asks_for_exported_metrics_only() -> None:
    exported = set(re.findall(r"^# TYPE (\w+)", render_metrics(busy_daemon(1)).decode(), re.M))
    asked = {name.removesuffix("_bucket") for expr in QUESTIONS for name in re.findall(r"watchword_\w+", expr)}
    assert asked <= exported


def test_panels_lie_beside_each_other() -> None:
    cells = [
        (x, y)
        for panel in PANELS
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


@pytest.mark.process
@pytest.mark.realtime
def test_a_real_prometheus_answers_every_question(tmp_path: Path) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("install the Debian package prometheus")
    began, port = time.monotonic(), free_port()

    def answer(request: BaseHTTPRequestHandler) -> None:
        start(request, 200, "text/plain; version=0.0.4")
        request.wfile.write(render_metrics(busy_daemon(int(time.monotonic() - began))))

    def results(expr: str) -> list[Any]:
        # what Grafana puts in, and shorter times: Prometheus has run for seconds only
        shorter = re.sub(r"\[\w+\]", "[30s]", expr.replace("$camera", ".*"))
        found = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": shorter})
        assert found.status_code in (200, 503), found.text  # 400: not PromQL
        result: list[Any] = found.raise_for_status().json()["data"]["result"]
        return result

    with http(answer) as url:
        config = tmp_path / "prometheus.yml"
        target = {"job_name": "watchword", "static_configs": [{"targets": [url.removeprefix("http://")]}]}
        config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [target]}))
        flags = (f"--storage.tsdb.path={tmp_path / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}")
        with process("prometheus", f"--config.file={config}", *flags):
            silent, deadline = QUESTIONS, time.monotonic() + 50
            while silent and time.monotonic() < deadline:
                time.sleep(0.2)
                with suppress(httpx.HTTPError):
                    silent = [expr for expr in silent if not results(expr)]
    assert silent == []
