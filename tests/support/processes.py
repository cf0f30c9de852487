"""Memory of a process with all its descendants."""

import threading
import time
from collections.abc import Sequence
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
    for process in tree(pid):
        try:
            name, size = _name(process.cmdline()), process.memory_full_info().pss / MIB
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
