"""Planted secrets are looked for in everything that logging writes."""

import io
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from daemon.logs import setup as logs
from workers.redaction import RedactedUrl

PASSWORD = "p@ss/w:rd é"
URL = "rtsp://viewer:pl4in-secret@10.0.0.5/stream1?token=qu3ry-secret"


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root, hook = logging.getLogger(), threading.excepthook
    before = root.handlers[:], root.level
    monkeypatch.setattr(logs, "_secrets", frozenset())
    monkeypatch.setattr(logs, "_pattern", None)
    yield io.StringIO()
    logging.captureWarnings(False)
    root.handlers[:], root.level = before
    threading.excepthook = hook


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_planted_secret_comes_through(out: io.StringIO, form: str) -> None:
    logs.configure_logs(form, "debug", out)  # type: ignore[arg-type]  # a parameter of the test
    url = RedactedUrl(URL)
    logs.register_secrets([PASSWORD, "tok3n", *url.secrets()])
    log = structlog.get_logger("daemon.test")
    log.info("opening", url=url, urls=[url], nested={"a": (url, "x tok3n y")})
    log.warning(f"cannot open {url.reveal()}", password=PASSWORD, encoded="p%40ss%2Fw%3Ard%20%C3%A9")
    log.error("positional %s", PASSWORD)
    logging.getLogger("uvicorn.error").error("library says %s", url.reveal())
    logging.getLogger("ray").warning("worker with %r", PASSWORD)
    try:
        raise ValueError(f"native library failed on {URL} with {PASSWORD}")
    except ValueError as error:
        log.exception("failed", cause=error)
        logging.getLogger("some.library").exception("failed too")
    thread = threading.Thread(target=_fail, name="decode")
    thread.start()
    thread.join()
    text = out.getvalue()
    for secret in (PASSWORD, "pl4in-secret", "qu3ry-secret", "tok3n", "p%40ss", "viewer:"):
        assert secret not in text
    for kept in ("opening", "10.0.0.5/stream1", "library says", "positional", "Traceback", "thread failed", "***"):
        assert kept in text


HOSTILE = "a\x1b]0;owned\x07\x1b[2Jb\x9b31m\u202e.mp4"
CHINESE = "\u4e00\u53ea\u732b caf\u00e9 \U0001f408.mp4"


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_name_of_a_file_commands_the_terminal(out: io.StringIO, form: str) -> None:
    logs.configure_logs(form, "info", out)  # type: ignore[arg-type]  # a parameter of the test
    log = structlog.get_logger("daemon.test")
    log.info(HOSTILE, file=HOSTILE, files=[HOSTILE], nested={HOSTILE: HOSTILE}, path=Path(HOSTILE), bad="\udcff")
    logging.getLogger("some.library").warning("cannot read %s", HOSTILE)
    log.info("done", file="x\n2026-01-01T00:00:00Z [info     ] all is well")
    try:
        raise ValueError(f"{HOSTILE}\n2026-01-01T00:00:00Z [info     ] all is well")
    except ValueError:
        log.exception("failed", stack_info=True)
    log.info("done", file=CHINESE)
    text = out.getvalue()
    assert all(c == "\n" or c.isprintable() for c in text)
    assert CHINESE in text
    assert "Traceback" in text
    assert not any(line.startswith("2026-01-01") for line in text.splitlines())
    if form == "json":
        assert lines(out)[0]["file"] == HOSTILE


def _fail() -> None:
    raise RuntimeError(f"thread saw {PASSWORD}")


def test_user_info_is_hidden_even_where_nobody_registered_it(out: io.StringIO) -> None:
    logs.configure_logs("json", "info", out)
    structlog.get_logger().info("got https://me:hunter2@h:1/x and redis://:pw@h, mail a@b.c")
    assert lines(out)[0]["event"] == "got https://***@h:1/x and redis://***@h, mail a@b.c"


def test_json_lines_have_time_level_logger_and_values(out: io.StringIO) -> None:
    logs.configure_logs("json", "info", out)
    structlog.get_logger("daemon.x").info("started", cameras=2, ratio=0.5, ok=True, none=None)
    logging.getLogger("lib").warning("from %s", "outside", extra={"camera": "a", "_private": 1})
    structlog.get_logger().debug("too fine")
    first, second = lines(out)
    assert first | {"timestamp": ""} == {
        "event": "started", "level": "info", "logger": "daemon.x", "timestamp": "",
        "cameras": 2, "ratio": 0.5, "ok": True, "none": None,
    }  # fmt: skip
    assert str(first["timestamp"]).endswith("Z")
    assert (second["event"], second["level"], second["logger"]) == ("from outside", "warning", "lib")
    assert second["camera"] == "a"
    assert "_private" not in second


def test_warnings_are_logged(out: io.StringIO) -> None:
    logs.configure_logs("json", "info", out)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)  # catch_warnings has put the old function back
        warnings.warn("deprecated rtsp://u:p@h", UserWarning, stacklevel=1)
        logging.captureWarnings(False)
    assert lines(out)[0]["logger"] == "py.warnings"
    assert "u:p@" not in out.getvalue()


def test_a_library_that_brings_its_own_handler_is_adopted(out: io.StringIO) -> None:
    own = io.StringIO()
    library = logging.getLogger("ray")
    library.addHandler(logging.StreamHandler(own))
    library.propagate = False
    logs.configure_logs("json", "info", out)
    library.warning("hello")
    assert own.getvalue() == ""
    assert lines(out)[0]["event"] == "hello"


def test_auto_is_json_unless_on_a_terminal(out: io.StringIO) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    logs.configure_logs("auto", "info", terminal)
    structlog.get_logger().info("hello")
    assert not terminal.getvalue().startswith("{")
    logs.configure_logs("auto", "info", out)
    structlog.get_logger().info("hello")
    assert lines(out)[0]["event"] == "hello"


def test_short_texts_are_not_masked(out: io.StringIO) -> None:
    logs.register_secrets(["", "a", "ab"])
    assert logs.scrub("abc") == "abc"


def test_a_worker_process_hides_the_same_secrets_without_being_sent_them(
    out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOOR_PASSWORD", PASSWORD)
    logs.configure_logs("json", "warning", out)
    logs.register_secrets([PASSWORD])
    sent = logs.worker_environment()
    assert PASSWORD not in str(sent)
    assert "DOOR_PASSWORD" in sent[logs.SECRET_NAMES].split(",")
    program = (
        "import os, structlog, daemon.logs.setup as logs; logs.configure_worker(); log = structlog.get_logger(); "
        "log.info('fine'); log.warning('it is ' + os.environ['DOOR_PASSWORD'])"
    )
    env = {**os.environ, **sent}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["event"] == "it is ***"
