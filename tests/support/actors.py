"""The processes of a daemon's Ray actors."""

import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

KINDS = ("StreamActor", "EncoderActor", "SpeechActor", "PublisherActor")


def actors(daemon: int) -> dict[str, int]:
    """Return pid by kind of all actors that run below the process ``daemon``."""
    found = {}
    for child in psutil.Process(daemon).children(recursive=True):
        with suppress(psutil.Error):
            title = re.match(r"ray::(\w+Actor)\b", " ".join(child.cmdline()))
            if title and child.status() != psutil.STATUS_ZOMBIE:
                found[title[1]] = child.pid
    return found


def wait_for(daemon: int, kind: str, timeout_s: float = 60.0) -> dict[str, int]:
    """Wait until an actor of a kind runs; return all."""
    deadline = time.monotonic() + timeout_s
    while kind not in (found := actors(daemon)):
        assert time.monotonic() < deadline, f"no {kind} among {found}"
        time.sleep(0.02)
    return found


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def stopped(pid: int) -> bool:
    """Whether a process is there and stopped."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False
