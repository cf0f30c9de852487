"""``watchword alerts``, as people call it."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from daemon.commands.events.alerts import app
from daemon.commands.setup.check import app as check
from tests.daemon.alerts.conftest import House, cat
from tests.support.serving.receivers import Receiver, receiver

SECRET = "topic-secret-1234"


def configured(house: House, *hooks: Receiver) -> Path:
    path = house.folder / "config.yaml"
    targets = {f"hook{n}": {"webhook": f"{hook.url}/{SECRET}"} for n, hook in enumerate(hooks)}
    sections = {"events": {"cat": {"describe": "a cat"}}, "state_dir": "state", "alerts": {"targets": targets}}
    path.write_text(yaml.safe_dump(sections))
    return path


def run(*args: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(arg) for arg in args], env={"COLUMNS": "200"})
    return done.exit_code, done.output


def test_a_test_says_whether_it_arrived(house: House, hook: Receiver) -> None:
    with receiver() as other:
        other.mode = "500"
        config = configured(house, hook, other)
        assert run("test", "hook0", config) == (0, "hook0: delivered\n")
        body = hook.got[0].json
        assert body["type"] == "watchword.test"
        assert body["data"]["attachments"][0]["content_type"] == "image/jpeg"
        code, output = run("test", "all", config)
        assert code == 4
        assert "hook0: delivered" in output
        assert "hook1: error [alert_refused]" in output
        assert "status 500" in output
        assert SECRET not in output
        code, output = run("test", "hook9", config)
        assert code == 2
        assert "hook0, hook1" in output


def test_alerts_are_listed_and_sent_again(house: House, hook: Receiver) -> None:
    config = configured(house, hook)
    assert run("list", config, "--json") == (0, "")
    house.start({"targets": {"hook0": {"webhook": hook.url}}, "cooldown": "1h"})
    house.happen(cat(1))
    house.wait_for("delivered")
    house.happen(cat(2), cat(3, event="dog"))
    house.wait_for("suppressed")
    code, output = run("list", config, "--json")
    rows = [json.loads(line) for line in output.splitlines()]
    assert code == 0
    assert [(row["event_id"], row["state"], row["reason"]) for row in rows][:2] == [
        (cat(1).id, "delivered", None),
        (cat(2).id, "suppressed", "cooldown"),
    ]
    assert rows[0]["delivered_at"].startswith("20")
    code, output = run("list", config, "--state", "suppressed", "--since", "1h")
    assert "cooldown" in output
    assert "dog" not in output
    assert run("list", config, "--state", "lost")[0] == 2
    code, output = run("replay", rows[1]["id"][:10], "--config", config)
    assert (code, output) == (0, "1 to be sent again, 0 wait already\n")
    house.wait_for("delivered", 3)
    assert hook.events[-1] == cat(2).id
    assert run("replay", "--dead", "--config", config) == (0, "0 to be sent again, 0 wait already\n")
    assert run("replay", "ffffff", "--config", config)[0] == 2
    assert run("replay", "--config", config)[0] == 2


@pytest.mark.parametrize("args", [["list"], ["test", "hook0"]])
def test_a_configuration_with_mistakes_is_refused(house: House, args: list[str]) -> None:
    path = house.folder / "config.yaml"
    path.write_text(f"events: {{cat: {{describe: a cat}}}}\nalerts: {{targets: {{a: 'nosuch://{SECRET}'}}}}\n")
    code, output = run(*args, path)
    assert code == 2
    assert "nosuch" in output
    assert SECRET not in output


def test_check_says_what_each_target_gets(house: House) -> None:
    path = house.folder / "config.yaml"
    cameras = {"door": {"url": "rtsp://h/a"}, "yard": {"url": "rtsp://h/b", "alert": {"to": []}}}
    events = {"red": {"describe": "a red picture"}, "blue": {"describe": "a blue picture", "alert": {"to": "phone"}}}
    targets = {"phone": f"ntfy://{SECRET}", "hook": {"webhook": f"https://h.example/{SECRET}", "cameras": "yard"}}
    sections = {"models": {"profile": "colour"}, "cameras": cameras, "events": events, "alerts": {"targets": targets}}
    path.write_text(yaml.safe_dump(sections, sort_keys=False))
    done = CliRunner().invoke(check, [str(path), "--json"])
    assert json.loads(done.stdout)["targets"] == {
        "phone": {"url": "ntfy://***", "gets": {"door": ["red", "blue"], "yard": ["blue"]}},
        "hook": {"url": "https://h.example/***", "gets": {}},
    }
    shown = CliRunner().invoke(check, [str(path)])
    assert "door: red, blue; yard: blue" in shown.stdout
    assert SECRET not in shown.output
