"""``watchword feedback`` on a state folder whose daemon does not run."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from daemon.commands.events.feedback import app
from tests.daemon.feedback.test_learning import MINE, MIXED, OTHER, Folder
from tests.support.recorded.event_log import opened

CONFIG = {"state_dir": "state", "cameras": {"door": {"url": "rtsp://a/1"}}, "events": {"cat": {"describe": "a cat"}}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path / "state")


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


def test_events_are_judged_versions_listed_and_chosen(folder: Folder) -> None:
    events = [folder.found(number, OTHER if number % 2 else MINE) for number in range(10)]
    with opened(folder.layout.event_log) as (log, _):
        log.append(events)
    for number, event in enumerate(events):
        done = invoke("give", event.id[:4], "wrong" if number % 2 else "right")
        assert done.exit_code == 0, done.output
    assert invoke("list", "--json").output.startswith('{"event": "cat", "clicks": 10, "in_force": 0')
    folder.learner.step()
    (line,) = invoke("list", "--json", "--event", "cat").output.splitlines()
    assert json.loads(line)["versions"][0]["wrong_kept"] == 0
    table = invoke("list").output
    assert "0 of 5" in table
    assert "5 of 5" in table
    assert "none in force" in invoke("choose", "cat", "back").output
    folder.learner.step()
    assert folder.reports(OTHER)
    assert "version 1 in force" in invoke("choose", "cat", "1").output
    assert "held" in invoke("list").output
    assert "version 1 in force" in invoke("choose", "cat", "auto").output
    assert invoke("give", events[0].id, "none").output == f"{events[0].id}: nothing said\n"
    assert folder.judge.verdict(events[0].id) is None


def test_mistakes_are_told(folder: Folder) -> None:
    folder.click(*MIXED)
    for arguments, words in (
        (("give", "0001", "bad"), "right, wrong, none"),
        (("give", "00", "wrong"), "10 events"),
        (("give", "ffff", "wrong"), "0 events"),
        (("give", "0001", "wrong"), "not in the event log"),
        (("choose", "cat", "best"), "neither back nor auto"),
        (("choose", "dog", "1"), "nobody has judged"),
        (("choose", "cat", "9"), "no version 9"),
    ):
        done = invoke(*arguments)
        assert done.exit_code == 2, arguments
        assert words in " ".join(done.output.replace("│", " ").split()), done.output


def test_export_without_videos_says_so(folder: Folder) -> None:
    folder.click(*MIXED)
    done = invoke("export", "out")
    assert done.exit_code == 1
    assert "0 lines" in done.output
    assert "videos of 10 judged events are gone" in done.output
