"""Structured logs of this program and its libraries on standard error, without secrets.

Secrets are masked in three ways: a ``RedactedUrl`` by its type; every registered secret wherever it occurs, also in
tracebacks and library logs; and everything that looks like the user info of a URL.
"""

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TextIO
from urllib.parse import quote, quote_plus

import structlog
from structlog.typing import EventDict, Processor

from daemon.logs.console import console_line
from daemon.logs.escaping import printable
from workers.redaction import MASK, RedactedUrl

FORMAT, LEVEL, SECRET_NAMES = "WATCHWORD_LOG_FORMAT", "WATCHWORD_LOG_LEVEL", "WATCHWORD_SECRET_NAMES"
MIN_SECRET = 3  # masking shorter texts would mask parts of unrelated words
LOGGING = "daemon.logs.setup:configure_worker"  # hook that a worker process calls first
LIBRARIES = ("uvicorn", "uvicorn.error", "uvicorn.access", "ray", "py.warnings", "asyncio")
TALKATIVE = ("uvicorn", "faster_whisper", "httpx")  # they log every request and every chunk at level info

_USER_INFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s/\"'<>]+@")
_META = frozenset({"_record", "_from_structlog"})
_lock = threading.Lock()
_secrets: frozenset[str] = frozenset()
_pattern: re.Pattern[str] | None = None
_chosen: tuple[str, str] = ("json", "info")


def register_secrets(secrets: Iterable[str]) -> None:
    """Mask these texts, and their percent-encoded and quoted forms, in all output from now on."""
    global _secrets, _pattern
    with _lock:
        _secrets |= {form for s in secrets for form in _forms(s) if len(form) >= MIN_SECRET}
        longest_first = sorted(_secrets, key=len, reverse=True)
        _pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def _forms(secret: str) -> set[str]:
    encoded = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    return {secret, repr(secret)[1:-1], *encoded, *(x.lower() for x in encoded if "%" in x)}


def scrub(text: str) -> str:
    """Return the text without registered secrets and without the user info of URLs."""
    if _pattern is not None:
        text = _pattern.sub(MASK, text)
    return _USER_INFO.sub(rf"\1{MASK}@", text)


def redact(value: Any) -> Any:
    """Return a value of plain JSON types with scrubbed texts; other objects as their scrubbed ``repr``."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {scrub(str(k)): redact(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(v) for v in value]
    return scrub(str(value) if isinstance(value, BaseException | RedactedUrl) else repr(value))


def _redact_event(_logger: Any, _method: str, event: EventDict) -> EventDict:
    # structlog's own two keys pass unchanged to the last step; other private keys (of Ray, for example) are dropped.
    return {k: v if k in _META else redact(v) for k, v in event.items() if k in _META or not k.startswith("_")}


def _escape_event(_logger: Any, _method: str, event: EventDict) -> EventDict:
    # The lines of a traceback are indented, so that none of them looks like a log line.
    many = {k: printable(event[k], "\n\t").replace("\n", "\n  ") for k in ("exception", "stack") if event.get(k)}
    return {k: printable(v) if isinstance(v, str) else v for k, v in event.items()} | many


def _json_line(event: EventDict, **options: Any) -> str:
    return printable(json.dumps(event, ensure_ascii=False, **options))


def rendered(entry: Mapping[str, Any]) -> str:
    """Return the log entry of another process as a line of this process's format, without secrets."""
    event: EventDict = redact(entry)
    return console_line(None, "", _escape_event(None, "", event)) if _chosen[0] == "console" else _json_line(event)


def configure_logs(
    form: Literal["auto", "json", "console"] = "auto", level: str = "info", stream: TextIO | None = None
) -> None:
    """Send all logs of this process to ``stream`` (default: standard error). A later call replaces the setup."""
    global _chosen
    out = stream or sys.stderr
    console = form == "console" or (form == "auto" and out.isatty())
    _chosen = ("console" if console else "json", level)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level.upper()),
        cache_logger_on_first_use=False,  # so that a second call reaches loggers made before it
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()], processors=_last_steps(console)
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    adopt_libraries()
    threading.excepthook = _log_thread_failure


def _last_steps(console: bool) -> list[Processor]:
    render: list[Processor] = (
        [_escape_event, console_line] if console else [structlog.processors.JSONRenderer(_json_line)]
    )
    # Tracebacks become text before redaction, so that redaction sees all text.
    return [
        structlog.processors.format_exc_info,
        _redact_event,
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        *render,
    ]


def adopt_libraries() -> None:
    """Route the logs of libraries through this setup; call it again after ``ray.init``, which replaces it."""
    for name in LIBRARIES:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # it warns about every malformed request


def chosen_format() -> str:
    """Return the log format of this process, ``json`` or ``console``."""
    return _chosen[0]


def worker_environment() -> dict[str, str]:
    """Return the environment variables with which a worker process logs like this one.

    Secrets are passed as the *names* of their environment variables: a worker inherits the values, and the cluster
    stores and shows what is sent with a job.
    """
    names = sorted(name for name, value in os.environ.items() if value in _secrets)
    return {FORMAT: _chosen[0], LEVEL: _chosen[1], SECRET_NAMES: ",".join(names)}


def worker_hook() -> Callable[[], None]:
    """Return what a worker of Ray calls first, on any machine: it masks the secrets of this process, and logs JSON.

    A worker of a cluster that was there before does not inherit this process's environment. The cluster keeps the hook
    in memory, as it does the URLs of cameras, and does not show it.
    """
    secrets, level = _secrets, _chosen[1]

    def set_up_worker() -> None:
        """Configure the logs of this process."""
        register_secrets(secrets)
        configure_logs("json", level)

    return set_up_worker


def configure_worker() -> None:
    """Set up logging of a worker process from its environment; its output reaches the daemon's standard error."""
    names = os.environ.get(SECRET_NAMES, "").split(",")
    register_secrets(os.environ[name] for name in names if name in os.environ)
    console = os.environ.get(FORMAT) == "console"
    configure_logs("console" if console else "json", os.environ.get(LEVEL, "info"))


def _log_thread_failure(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is SystemExit or args.exc_value is None:
        return
    name = args.thread.name if args.thread else "unknown"
    structlog.get_logger("daemon").error("thread failed", thread=name, exc_info=args.exc_value)
