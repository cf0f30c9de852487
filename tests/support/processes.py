"""Memory of a process with all its descendants."""

import threading
import time

import psutil

MIB = 1 << 20


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants, as far as they live."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def memory_mib(pid: int) -> float:
    """Return the proportional set size of a tree, MiB: shared pages count once."""
    total = 0.0
    for process in tree(pid):
        try:
            total += process.memory_full_info().pss / MIB
        except psutil.Error:
            continue
    return total


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
