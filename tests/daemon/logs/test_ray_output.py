"""Whatever is printed, every line of a JSON log is JSON."""

import base64
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from ray import cloudpickle

from daemon.logs import setup as logs
from daemon.logs.ray_output import KEEP_LINES, LogLines, adopt_output

AT = "2026-05-01T10:00:00.000001Z"


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, logs._chosen
    yield io.StringIO()
    logging.captureWarnings(False)
    root.handlers[:], root.level, logs._chosen = before


def test_lines_of_others_become_messages_and_ours_stay(out: io.StringIO) -> None:
    logs.configure_logs("json", "info", out)
    lines = LogLines(out)
    ours = json.dumps({"event": "started", "level": "info", "timestamp": AT})
    for part in (
        ours[:9],
        ours[9:] + "\n",
        "Traceback rtsp://me:s3cret@h/x\n\n",
        "{not ours\n",
        "\x1b[33m(raylet)\x1b[0m died\n",
        "half",
    ):
        lines.write(part)
    first, *others = [json.loads(line) for line in out.getvalue().splitlines()]
    assert first == json.loads(ours)
    assert [x["event"] for x in others] == ["Traceback rtsp://***@h/x", "{not ours", "(raylet) died"]
    assert {x["logger"] for x in others} == {"output"}


def test_a_line_that_two_nodes_send_is_written_once(out: io.StringIO) -> None:
    logs.configure_logs("json", "info", out)
    lines = LogLines(out)
    entries = [{"event": "event", "level": "info", "timestamp": f"2026-05-01T10:00:00.{n:06}Z"} for n in range(3)]
    texts = [json.dumps(entry) for entry in entries]
    for text in (texts[0], texts[1], texts[0], texts[2], texts[1], texts[2]):  # the nodes are not in step
        lines.write(text + "\n")
    assert [json.loads(line) for line in out.getvalue().splitlines()] == entries


def test_what_is_remembered_of_lines_is_bounded(out: io.StringIO) -> None:
    lines = LogLines(out)
    for n in range(KEEP_LINES + 50):
        lines.write(json.dumps({"event": n, "timestamp": AT}) + "\n")
    assert len(lines._latest) == KEEP_LINES


def test_a_secret_that_a_worker_did_not_know_is_masked(out: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_secrets", frozenset())
    monkeypatch.setattr(logs, "_pattern", None)
    logs.register_secrets(['pl4nted"quoted'])
    entry = {"event": "opened", "timestamp": AT, "path": '/a/pl4nted"quoted', "more": {"deep": ['x pl4nted"quoted']}}
    for form in ("json", "console"):
        logs.configure_logs(form, "info", out)
        LogLines(out).write(json.dumps(entry) + '\nplain pl4nted"quoted\n')
    assert "opened" in out.getvalue()
    assert "pl4nted" not in out.getvalue()


def test_a_worker_masks_the_secrets_of_the_daemon_whatever_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_secrets", frozenset({"pl4nted-here"}))
    sent = base64.b64encode(cloudpickle.dumps(logs.worker_hook())).decode()
    code = f"import base64, pickle, structlog; pickle.loads(base64.b64decode('{sent}'))(); "
    code += "structlog.get_logger().warning('a path', path='/x/pl4nted-here/y')"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WATCHWORD_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert json.loads(done.stderr)["path"] == "/x/***/y"


def test_a_log_line_is_shown_to_people_as_their_own(out: io.StringIO) -> None:
    logs.configure_logs("console", "info", out)
    entry = {"event": "source_up", "camera": "door", "level": "warning", "timestamp": AT, "url": "rtsp://h\x1b[2J"}
    LogLines(out).write(json.dumps(entry) + "\n")
    line = out.getvalue()
    assert line[8:] == " warning: door · source_up url=rtsp://h\\u001b[2J\n"


def test_for_people_everything_else_stays_as_it_is(out: io.StringIO) -> None:
    logs.configure_logs("console", "info", out)
    print("plain {text}", file=LogLines(out))
    assert out.getvalue() == "plain {text}\n"


def test_for_people_what_a_terminal_would_obey_is_escaped_but_colours(out: io.StringIO) -> None:
    logs.configure_logs("console", "info", out)
    print("\x1b[36m(Stream)\x1b[0m\ta\x1b]0;owned\x07\x1b[2Jb \x9b31m 猫", file=LogLines(out))
    assert out.getvalue() == "\x1b[36m(Stream)\x1b[0m\ta\\u001b]0;owned\\u0007\\u001b[2Jb \\u009b31m 猫\n"


def test_both_streams_are_adopted_and_given_back(capsys: pytest.CaptureFixture[str], out: io.StringIO) -> None:
    logs.configure_logs("json", "info", out)
    before = sys.stdout, sys.stderr
    undo = adopt_output()
    print("to stdout")
    print("to stderr", file=sys.stderr)
    undo()
    assert (sys.stdout, sys.stderr) == before
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["to stdout", "to stderr"]
    assert capsys.readouterr().out == ""
