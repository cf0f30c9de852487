"""Logs of this package are records of ``logging``, without secrets; so are those of decoder processes."""

import json
import logging
import os
import time

import pytest
import structlog

from daemon.logs.setup import register_secrets
from watchword.logs import DecoderLog, log_line, route_logs


@pytest.fixture(autouse=True)
def routed() -> None:
    route_logs()


def test_entries_become_records_below_watchword(caplog: pytest.LogCaptureFixture) -> None:
    log = structlog.get_logger()
    with caplog.at_level("INFO"):
        log.info("event", camera="door", score=0.9)
        log.debug("not wanted")
    assert [(r.name, r.levelname, r.getMessage()) for r in caplog.records] == [
        (f"watchword.{__name__}", "INFO", "event camera=door score=0.9")
    ]


def test_secrets_are_masked_also_in_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    register_secrets(["hunter2-of-logs"])
    try:
        raise ValueError("bad password hunter2-of-logs")
    except ValueError:
        structlog.get_logger().exception("failed", url="rtsp://me:hunter2-of-logs@10.0.0.5/x")
    assert "ValueError: bad password ***" in caplog.text
    assert "rtsp://***@10.0.0.5/x" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_program_that_configured_structlog_keeps_its_configuration() -> None:
    with structlog.testing.capture_logs() as logs:
        structlog.configure(processors=structlog.get_config()["processors"])
        route_logs()
        structlog.get_logger().warning("mine")
    assert [entry["event"] for entry in logs] == ["mine"]


def test_lines_of_decoder_processes_are_logged_at_their_level(caplog: pytest.LogCaptureFixture) -> None:
    entry = {"event": "source_truncated", "level": "warning", "logger": "workers.sources.file", "timestamp": "now"}
    with caplog.at_level("INFO"):
        pipe = DecoderLog()
        os.write(pipe.descriptor, (json.dumps(entry | {"camera": "door"}) + "\n[h264] broken\n{not json\n").encode())
        pipe.close()
        deadline = time.monotonic() + 30
        while len(caplog.records) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        log_line("")
    assert [(r.name.removeprefix("watchword.workers.sources."), r.levelno, r.getMessage()) for r in caplog.records] == [
        ("file", logging.WARNING, "source_truncated camera=door"),
        ("isolation.process", logging.INFO, "[h264] broken"),
        ("isolation.process", logging.INFO, "{not json"),
    ]
