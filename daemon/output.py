"""What is printed while Ray runs becomes log lines, on standard error: standard output is for data.

Ray hands on what its workers print, our own log lines among it, by printing it again in this process.
"""

import io
import json
import re
import sys
import threading
from collections.abc import Callable
from typing import TextIO

import structlog

from daemon.logs import chosen_format
from daemon.terminal import printable

log = structlog.get_logger("output")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class LogLines(io.TextIOBase):
    """A text stream that writes to ``out``: log lines as they are, anything else as the message of one."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.RLock()
        self._part = ""

    def write(self, text: str) -> int:
        """Take text; whole lines go out at once."""
        with self._lock:
            *lines, self._part = (self._part + text).split("\n")
            for line in lines:
                if chosen_format() == "console":
                    self._out.write(f"{_escaped(line)}\n")
                elif _is_log_line(line):
                    self._out.write(f"{line}\n")
                elif line.strip():
                    log.info(_COLOURS.sub("", line))
        return len(text)

    def flush(self) -> None:
        """Hand on what the stream below holds."""
        self._out.flush()


def adopt_output() -> Callable[[], None]:
    """Make what this process prints come out as log lines; return what undoes that."""
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = LogLines(before[1])

    def undo() -> None:
        sys.stdout, sys.stderr = before

    return undo


def _escaped(line: str) -> str:
    """Return a line as a terminal may have it: Ray tells its processes apart by colours."""
    parts = _COLOURS.split(line)
    return "".join(
        a + b for a, b in zip((printable(p, "\t") for p in parts), [*_COLOURS.findall(line), ""], strict=True)
    )


def _is_log_line(line: str) -> bool:
    if not line.startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
