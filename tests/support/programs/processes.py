"""Processes of a test: run one, find the actors below a daemon, measure memory."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

MIB = 1 << 20


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants, as far as they live."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def memory_by_name(pid: int) -> dict[str, float]:
    """Return the proportional set size of a tree by program or actor, MiB: shared pages count once."""
    found: dict[str, float] = {}
    for member in tree(pid):
        try:
            name, size = _name(member.cmdline()), member.memory_full_info().pss / MIB
        except psutil.Error:
            continue
        found[name] = found.get(name, 0.0) + size
    return found


def memory_mib(pid: int) -> float:
    """Return the proportional set size of a tree, MiB."""
    return sum(memory_by_name(pid).values())


def _name(command: Sequence[str]) -> str:
    """Return what runs there: ``EncoderActor`` of ``ray::EncoderActor.read``, else the script or module."""
    first = command[0] if command else "?"
    if first.startswith("ray::"):
        return first.removeprefix("ray::").partition(".")[0]
    scripts = [Path(word) for word in command if not word.startswith("-")]
    return "/".join(scripts[1].parts[-2:]) if "python" in scripts[0].name and len(scripts) > 1 else scripts[0].name


class PeakMemory:
    """Samples a tree's memory twice a second; ``peak_mib`` is the most it saw."""

    def __init__(self, pid: int) -> None:
        self.peak_mib = 0.0
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.peak_mib = max(self.peak_mib, memory_mib(self._pid))
            time.sleep(0.5)


KINDS = ("StreamActor", "EncoderActor", "SpeechActor", "StateActor")


def actors(daemon: int) -> dict[str, int]:
    """Return pid by kind of all actors that run below the process ``daemon``."""
    found = {}
    for child in psutil.Process(daemon).children(recursive=True):
        with suppress(psutil.Error):
            title = re.match(r"ray::(\w+Actor)\b", " ".join(child.cmdline()))
            if title and child.status() != psutil.STATUS_ZOMBIE:
                found[title[1]] = child.pid
    return found


def wait_for_actor(daemon: int, kind: str, timeout_s: float = 60.0) -> dict[str, int]:
    """Wait until an actor of a kind runs; return all."""
    deadline = time.monotonic() + timeout_s
    while kind not in (found := actors(daemon)):
        assert time.monotonic() < deadline, f"no {kind} among {found}"
        time.sleep(0.02)
    return found


def send_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def is_stopped(pid: int) -> bool:
    """Whether a process is there and stopped."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
