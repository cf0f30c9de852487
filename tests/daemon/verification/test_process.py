"""A daemon whose events are verified: it is killed when the model has just answered, and started again."""

import os
import re
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from daemon.alerts.store.history import AlertQuery, AlertStore
from tests.daemon.verification.conftest import CONFIRMED, REJECTED
from tests.support.clocks import wait_until
from tests.support.programs.daemon import ALWAYS, published, running, write_config
from tests.support.serving.receivers import receiver
from tests.support.serving.vlm_server import Asked, Request, VlmServer, says, vlm_server
from workers.publish.log.view import LogView
from workers.state_layout import StateLayout

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

CAMERA = "synthetic://pattern?seconds=3600&width=64&height=48&fps=5&pace=1"


def write(
    folder: Path, server: VlmServer, hook: str, policy: str = "hold", describe: str = "a grey picture", **verifier: Any
) -> Path:
    settings = {"url": server.url, "model": "tiny", "timeout": "5s"} | verifier
    return write_config(
        folder,
        cameras={"door": {"url": CAMERA}},
        events={"something": ALWAYS["something"] | {"verify": policy, "describe": describe}},
        models={"profile": "colour", "verifier": settings},
        alerts={"cooldown": 0, "targets": {"hook": {"webhook": hook}}},
        redis={"url": "embedded"},
    )


def revisions_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return what Redis holds, by event, after checking that no revision is missing or there twice."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in sorted(published(folder, all_revisions=True), key=lambda one: one["revision"]):
        found.setdefault(one["id"], []).append(one)
    for revisions in found.values():
        assert [one["revision"] for one in revisions] == list(range(len(revisions)))
    return found


def test_killed_between_the_answer_and_the_amendment_no_verdict_is_lost_or_published_twice(tmp_path: Path) -> None:
    pids: list[int] = []
    answered = threading.Event()

    def answer_and_kill(request: Request, asked: Asked) -> None:
        says(CONFIRMED)(request, asked)
        request.wfile.flush()
        os.kill(pids[-1], signal.SIGKILL)
        answered.set()

    with vlm_server(CONFIRMED, answer_and_kill) as model, receiver() as hook:
        config = write(tmp_path, model, hook.url)
        with running(config, tmp_path) as daemon:
            pids.append(daemon.process.pid)
            assert answered.wait(120), daemon.log()
            daemon.process.wait(30)
        log = LogView(StateLayout(tmp_path / "state").event_log)
        (first,) = {record.event.id for record in log.all()}
        assert hook.got == []
        with running(config, tmp_path) as daemon:
            wait_until(lambda: first in hook.events, 120)
            daemon.wait_for('"event": "verified"')
            assert daemon.end() == 0, daemon.log()[-3000:]
        (verified,) = {record.event.verification for record in log.revisions(first)[-1:]}
        assert verified is not None
        assert verified.verdict == "confirmed"
        assert max(Counter(hook.events).values()) == 1
        found = revisions_of(tmp_path)
        verdicts = [one["verification"]["verdict"] for one in found[first]]
        assert (verdicts[0], verdicts[-1], verdicts.count("confirmed") >= 1) == ("pending", "confirmed", True)
        assert (
            sum(one.get("amendments", []) != [] and one["revision"] in one["amendments"] for one in found[first]) == 1
        )


def test_a_running_daemon_takes_up_another_model_and_another_policy_and_counts_what_they_did(tmp_path: Path) -> None:
    with vlm_server(REJECTED) as model, vlm_server(CONFIRMED) as other, receiver() as hook:
        config = write(tmp_path, model, hook.url)
        with running(config, tmp_path) as daemon:
            daemon.wait_for('"verdict": "rejected"')
            alerts = AlertStore(StateLayout(tmp_path / "state").alerts)
            wait_until(lambda: any(row.reason == "rejected" for row in alerts.page(AlertQuery(), 10)), 30)
            assert hook.got == []
            assert all(len(asked.jpegs) for asked in model.asked)
            write(tmp_path, other, hook.url, "label", "a picture in grey", model="large")
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_for("configuration changed")
            got = hook.wait(3, 60)  # the event that was held, by its last look; the next one, and its verdict
            assert sorted(one.json["type"] for one in got) == ["watchword.alert"] * 2 + ["watchword.alert.verdict"]
            assert {asked.body["model"] for asked in other.asked} == {"large"}
            found = re.search(r'"url": "([^"]+)", "event": "listening"', daemon.log())
            assert found
            with httpx.Client(base_url=found[1], trust_env=False) as client:
                wait_until(lambda: 'watchword_verdicts_total{verdict="confirmed"}' in client.get("/metrics").text, 30)
                wait_until(lambda: 'watchword_vlm_calls_today{model="large"} 2.0' in client.get("/metrics").text, 30)
                (event, *_) = client.get("/api/v1/events").json()["events"]
                assert event["verification"]["why"] == CONFIRMED["why"]
            assert daemon.end() == 0, daemon.log()[-3000:]
            assert daemon.log().count("needs a restart") == 0
        revisions_of(tmp_path)
