"""A daemon with a camera alerts a webhook, with the picture, a link that mutes, and figures in its metrics."""

import base64
import re
from pathlib import Path

import httpx
import pytest

from tests.support.clocks import wait_until
from tests.support.programs.daemon import ALWAYS, json_lines, running, watchword, write_config
from tests.support.serving.receivers import Receiver

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

CAMERA = "synthetic://pattern?seconds=3600&width=64&height=48&fps=5&pace=1"


def test_an_event_reaches_a_webhook_and_its_link_mutes(tmp_path: Path, hook: Receiver) -> None:
    alerts = {"public_url": "http://door.example", "cooldown": 0, "targets": {"hook": {"webhook": hook.url}}}
    config = write_config(tmp_path, cameras={"door": {"url": CAMERA}}, events=ALWAYS, alerts=alerts)
    with running(config, tmp_path) as daemon:
        daemon.wait_for("listening")
        found = re.search(r"http://127\.0\.0\.1:\d+", daemon.log())
        assert found
        (one,) = hook.wait(1, 120)[:1]
        data = one.json["data"]
        (alert,) = data["alerts"]
        assert base64.b64decode(data["attachments"][0]["base64"]).startswith(b"\xff\xd8\xff")
        assert alert["event"]["camera"] == "door"
        assert alert["links"]["event"] == f"http://door.example/events/{alert['event']['id']}"
        with httpx.Client(base_url=found[0], trust_env=False) as client:
            link = alert["links"]["mute"].removeprefix("http://door.example")
            page = client.get(link)
            assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
            assert '<form method="post">' in page.text
            assert client.get("/api/v1/alerts").json()["mutes"] == []  # whoever follows links changes nothing
            assert client.post(link).status_code == 200
            (muted,) = client.get("/api/v1/alerts").json()["mutes"]
            assert (muted["camera"], muted["event"]) == ("door", "something")
            assert client.post(link.replace("door", "yard")).status_code == 403
            delivered = 'watchword_alerts_total{state="delivered",target="hook"} '
            wait_until(lambda: f"{delivered}1.0" in client.get("/metrics").text, 30)
        code = daemon.end()
        assert code == 0, daemon.log()[-3000:]
    (listed,) = json_lines(watchword("alerts", "list", config, "--json").stdout)
    assert (listed["event_id"], listed["state"]) == (alert["event"]["id"], "delivered")
