"""What is measured while the soak runs: when each camera was last looked at, memory, descriptors."""

import re
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import httpx
import psutil

from tests.soak.faults import Happened
from tests.support.programs.processes import memory_by_name, tree

LAST_FRAME = re.compile(r'^watchword_last_frame_timestamp_seconds\{camera="(\w+)"\} (\S+)$', re.MULTILINE)
SAMPLE_EVERY = 10  # looks


@dataclass(frozen=True, slots=True)
class Sample:
    """The size of the daemon with all its processes at a Unix time."""

    at: float
    processes: int
    memory: dict[str, float]  # MiB by program or actor
    descriptors: int

    @property
    def memory_mib(self) -> float:
        """Return the memory of all."""
        return sum(self.memory.values())


class Watching:
    """Looks at the daemon once a second, from a thread."""

    def __init__(self, url: str, pid: Callable[[], int]) -> None:
        self.samples: list[Sample] = []
        self.frames: dict[str, list[float]] = {}  # per camera: Unix times at which a new frame was there
        self._url, self._pid = url, pid
        self._newest: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watching":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def back_after_s(self, happened: Happened, camera: str) -> float | None:
        """Return the seconds from the end of a fault to the next frame of a camera; None: there was none."""
        after = [t for t in self.frames.get(camera, []) if t > happened.ended]
        return after[0] - happened.ended if after else None

    def growth(self, calm: Callable[[float], bool], warm_up_s: float) -> dict[str, tuple[float, float]]:
        """Return medians in the first fifth after the warm-up and in the last, of calm moments.

        Of ``memory`` and ``descriptors``, and of the memory by program or actor; empty if there are too few samples.
        """
        if not self.samples:
            return {}
        first = self.samples[0].at + warm_up_s
        usual = statistics.mode(s.processes for s in self.samples)
        calm_ones = [s for s in self.samples if s.at >= first and calm(s.at) and s.processes == usual]
        fifth = len(calm_ones) // 5
        if fifth < 3:
            return {}
        figures = [s.memory | {"memory": s.memory_mib, "descriptors": float(s.descriptors)} for s in calm_ones]
        begin, end = figures[:fifth], figures[-fifth:]
        return {
            name: (_median(name, begin), _median(name, end)) for name in dict.fromkeys(n for f in figures for n in f)
        }

    def _run(self) -> None:
        look = 0
        while not self._stop.wait(1.0):
            with suppress(httpx.HTTPError):
                for camera, value in LAST_FRAME.findall(httpx.get(f"{self._url}/metrics", timeout=2).text):
                    if self._newest.get(camera) != value:
                        self._newest[camera] = value
                        self.frames.setdefault(camera, []).append(time.time())
            look += 1
            if look % SAMPLE_EVERY == 0:
                with suppress(psutil.Error):
                    self.samples.append(self._sample())

    def _sample(self) -> Sample:
        pid, descriptors = self._pid(), 0
        processes = tree(pid)
        for process in processes:
            with suppress(psutil.Error):
                descriptors += process.num_fds()
        return Sample(time.time(), len(processes), memory_by_name(pid), descriptors)


def _median(name: str, figures: Sequence[Mapping[str, float]]) -> float:
    return round(statistics.median(f.get(name, 0.0) for f in figures), 1)
