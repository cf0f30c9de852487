"""Structured logs on standard error, of this program and its libraries, in which no secret can be read.

Secrets are hidden three times: a ``RedactedUrl`` by its type; every registered secret wherever it turns up,
also in tracebacks and in what libraries log; and whatever looks like the user info of a URL.
"""

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TextIO
from urllib.parse import quote, quote_plus

import structlog
from structlog.typing import EventDict, Processor

from daemon.terminal import printable
from workers.redaction import MASK, RedactedUrl

FORMAT, LEVEL, SECRET_NAMES = "WATCHWORD_LOG_FORMAT", "WATCHWORD_LOG_LEVEL", "WATCHWORD_SECRET_NAMES"
MIN_SECRET = 3  # masking shorter texts would hide half of every line
LOGGING = "daemon.logs:configure_worker"  # what a worker process calls first
LIBRARIES = ("uvicorn", "uvicorn.error", "uvicorn.access", "ray", "py.warnings", "asyncio")
TALKATIVE = ("uvicorn", "faster_whisper", "httpx")  # their info is about every request and every chunk

_USER_INFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s/\"'<>]+@")
_META = frozenset({"_record", "_from_structlog"})
_lock = threading.Lock()
_secrets: frozenset[str] = frozenset()
_pattern: re.Pattern[str] | None = None
_chosen: tuple[str, str] = ("json", "info")


def register_secrets(secrets: Iterable[str]) -> None:
    """Never again print these texts, nor their percent-encoded or quoted forms. Adds to the others."""
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
    # structlog's own two keys pass untouched to the last step; other private ones (of Ray, say) are nobody's news.
    return {k: v if k in _META else redact(v) for k, v in event.items() if k in _META or not k.startswith("_")}


def _escape_event(_logger: Any, _method: str, event: EventDict) -> EventDict:
    # The lines of a traceback stay apart, indented: none of them can pass for a line of the log.
    many = {k: printable(event[k], "\n\t").replace("\n", "\n  ") for k in ("exception", "stack") if event.get(k)}
    return {k: printable(v) if isinstance(v, str) else v for k, v in event.items()} | many


def _json_line(event: EventDict, **options: Any) -> str:
    return printable(json.dumps(event, ensure_ascii=False, **options))


def configure_logs(
    form: Literal["auto", "json", "console"] = "auto", level: str = "info", stream: TextIO | None = None
) -> None:
    """Send all logs of this process to ``stream`` (standard error). A later call changes it."""
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
        [_escape_event, structlog.dev.ConsoleRenderer(colors=False)]
        if console
        else [structlog.processors.JSONRenderer(_json_line)]
    )
    # Tracebacks become text before the redaction sees them, so nothing is rendered behind its back.
    return [
        structlog.processors.format_exc_info,
        _redact_event,
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        *render,
    ]


def adopt_libraries() -> None:
    """Make libraries log through us; again after one sets up its own logging, as ``ray.init`` does."""
    for name in LIBRARIES:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # it warns of each malformed request that anyone sends


def chosen_format() -> str:
    """Return ``json`` or ``console``: how this process logs."""
    return _chosen[0]


def worker_environment() -> dict[str, str]:
    """Return what a worker process needs in its environment to log as this one does.

    Secrets go by the *names* of the variables they come from: a worker started from here inherits their values,
    and what is sent along with a job is stored and shown by the cluster.
    """
    names = sorted(name for name, value in os.environ.items() if value in _secrets)
    return {FORMAT: _chosen[0], LEVEL: _chosen[1], SECRET_NAMES: ",".join(names)}


def configure_worker() -> None:
    """Set up a worker process by its environment; what it prints reaches the daemon's standard error."""
    names = os.environ.get(SECRET_NAMES, "").split(",")
    register_secrets(os.environ[name] for name in names if name in os.environ)
    console = os.environ.get(FORMAT) == "console"
    configure_logs("console" if console else "json", os.environ.get(LEVEL, "info"))


def _log_thread_failure(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is SystemExit or args.exc_value is None:
        return
    name = args.thread.name if args.thread else "unknown"
    structlog.get_logger("daemon").error("thread failed", thread=name, exc_info=args.exc_value)
