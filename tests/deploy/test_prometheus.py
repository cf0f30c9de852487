"""deploy/prometheus is what Prometheus itself accepts, and each alert fires when it should and only then."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

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
    assert "9 rules found" in promtool("check", "rules", str(FOLDER / "alerts.yml"))


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
    told = set(re.findall(r"`([a-z_]+)(?:\{\w+\})?`", table)) - {"watchword_"}
    assert {f"watchword_{name}" for name in told} == exported()
