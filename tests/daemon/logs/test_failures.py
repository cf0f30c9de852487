"""A thread that must go on: its errors are told once, and not at all where the end came amid its work."""

import threading

import pytest
import structlog
from structlog.testing import capture_logs

from alignment.errors import WatchwordError
from daemon.logs import failures
from daemon.logs.failures import Failures


def test_an_error_is_logged_once_until_the_work_succeeds_or_another_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "AGAIN_S", 0.001)
    stopping = threading.Event()
    errors = Failures(structlog.get_logger(), "it waits", "it failed", stopping)
    with capture_logs() as lines:
        for cause in (
            WatchwordError("a"),
            WatchwordError("a"),
            None,
            WatchwordError("a"),
            WatchwordError("b"),
            ZeroDivisionError(),
        ):
            with errors.survived():
                if cause:
                    raise cause
    assert [(line["event"], line.get("error", "")[:1]) for line in lines] == [
        ("it waits", "a"),
        ("it waits", "a"),
        ("it waits", "b"),
        ("it failed", ""),
    ]


def test_what_the_end_interrupts_is_no_failure_but_what_fails_after_it_is() -> None:
    stopping = threading.Event()
    errors = Failures(structlog.get_logger(), "it waits", "it failed", stopping)
    with capture_logs() as lines:
        with errors.survived():
            stopping.set()
            raise WatchwordError("interrupted")
        assert lines == []
        with errors.survived():
            raise WatchwordError("the last step failed")
    assert [line["error"][:3] for line in lines] == ["the"]
