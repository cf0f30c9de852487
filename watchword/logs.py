"""Logs of this program as records of ``logging``, below the logger ``watchword``; also those of decoder processes.

A program that configures structlog itself gets these logs by its own configuration instead.
"""

import json
import logging
import os
import threading
from typing import Any

import structlog
from structlog.typing import EventDict

from daemon.logs.setup import FORMAT, LEVEL, redact

ROOT = "watchword"
LEVELS = ("debug", "info", "warning", "error", "critical")
# Decoder processes write JSON lines, of level info and above: the loggers of this process choose among them.
ENVIRONMENT = {FORMAT: "json", LEVEL: "info"}


def route_logs() -> None:
    """Send logs of structlog to ``logging``, unless structlog is configured already."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,  # tracebacks become text, so that secrets in them are masked
            _message,
        ],
        logger_factory=_Loggers(ignore_frame_names=[__name__]),
        wrapper_class=structlog.make_filtering_bound_logger("DEBUG"),
        cache_logger_on_first_use=False,
    )


class _Loggers(structlog.stdlib.LoggerFactory):
    """Names loggers ``watchword.MODULE``, by the module that logs."""

    def __call__(self, *names: Any) -> logging.Logger:
        """Return the logger of the module that calls, or of the name that it gives."""
        return logging.getLogger(f"{ROOT}.{super().__call__(*names).name}")


def _message(_logger: Any, _method: str, event: EventDict) -> str:
    """Return a log entry as text without secrets: ``event camera=door score=0.9``, and its traceback below."""
    entry: dict[str, Any] = redact(event)
    text = str(entry.pop("event", ""))
    below = [str(entry.pop(name)) for name in ("stack", "exception") if entry.get(name)]
    return "\n".join([" ".join([text, *(f"{key}={value}" for key, value in entry.items())]), *below])


class DecoderLog:
    """What decoder processes write to standard error, as logs of this process. ``descriptor``: where they write."""

    def __init__(self) -> None:
        ours, self.descriptor = os.pipe()
        threading.Thread(target=self._read, args=(ours,), name="decoder-log", daemon=True).start()

    def close(self) -> None:
        """End once the last decoder process has ended."""
        os.close(self.descriptor)

    def _read(self, ours: int) -> None:
        with open(ours, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                log_line(line.rstrip("\n"))


def log_line(line: str) -> None:
    """Log a line of a decoder process: an entry of its log, or what a native library printed."""
    entry = _entry(line)
    if entry is None:
        if line.strip():
            structlog.get_logger("workers.sources.isolation.process").info(line)
        return
    text, level = str(entry.pop("event", "")), str(entry.pop("level", "info"))
    logger = structlog.get_logger(str(entry.pop("logger", "workers")))
    entry.pop("timestamp", None)
    getattr(logger, level if level in LEVELS else "info")(text, **entry)


def _entry(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line) if line.startswith("{") else None
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "event" in entry else None
