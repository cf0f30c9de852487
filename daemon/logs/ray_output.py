"""Turn printed output into log lines on standard error while Ray runs; standard output is for results.

Ray prints the output of its workers, including our log lines, again in this process. Workers log JSON, which is shown
here in the format of this process.
"""

import io
import json
import re
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

import structlog

from daemon.logs.escaping import printable
from daemon.logs.setup import chosen_format, rendered, scrub

log = structlog.get_logger("output")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
KEEP_LINES = 10_000


class LogLines(io.TextIOBase):
    """A text stream that writes the log lines of workers to ``out``, and any other line as a log message.

    A log line is written once, and without this process's secrets, which workers of a cluster may not know. Two nodes
    that share ``/tmp/ray`` both send the lines of all workers; time stamps of microseconds tell the lines apart.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.RLock()
        self._part = ""
        self._latest: dict[int, None] = {}  # hashes of the latest log lines

    def write(self, text: str) -> int:
        """Add text; write complete lines immediately."""
        with self._lock:
            *lines, self._part = (self._part + text).split("\n")
            for line in lines:
                entry = _log_entry(line)
                if entry is not None:
                    if not self._is_repeated(line):
                        self._out.write(f"{rendered(entry)}\n")
                elif chosen_format() == "console":
                    self._out.write(f"{_escaped(scrub(line))}\n")
                elif line.strip():
                    log.info(_COLOURS.sub("", line))
        return len(text)

    def _is_repeated(self, line: str) -> bool:
        key = hash(line)
        if key in self._latest:
            return True
        self._latest[key] = None
        if len(self._latest) > KEEP_LINES:
            del self._latest[next(iter(self._latest))]
        return False

    def flush(self) -> None:
        """Flush the underlying stream."""
        self._out.flush()


def adopt_output() -> Callable[[], None]:
    """Redirect this process's output to log lines; return a function that undoes it."""
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = LogLines(before[1])

    def undo() -> None:
        """Put back the streams of before."""
        sys.stdout, sys.stderr = before

    return undo


def _escaped(line: str) -> str:
    """Return a line escaped for a terminal, except for the colours with which Ray marks its processes."""
    parts = _COLOURS.split(line)
    return "".join(
        a + b for a, b in zip((printable(p, "\t") for p in parts), [*_COLOURS.findall(line), ""], strict=True)
    )


def _log_entry(line: str) -> dict[str, Any] | None:
    """Return the entry of a JSON log line; None for any other line."""
    if not line.startswith("{"):
        return None
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return entry if {"event", "timestamp"} <= entry.keys() else None
