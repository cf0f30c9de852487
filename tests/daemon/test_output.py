"""Whatever is printed, every line of a JSON log is JSON."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from daemon import logs
from daemon.output import LogLines, adopt_output


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, logs._chosen
    yield io.StringIO()
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:], root.level, logs._chosen = before


def test_lines_of_others_become_messages_and_ours_stay(out: io.StringIO) -> None:
    logs.configure_logs("json", "info", out)
    lines = LogLines(out)
    ours = json.dumps({"event": "started", "level": "info"})
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


def test_for_people_everything_stays_as_it_is(out: io.StringIO) -> None:
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
