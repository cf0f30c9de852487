"""The cost of tagging beyond bare decoding and encoding: ``python -m tests.benchmarks.speed.throughput [--seconds N]``.

One process, several rounds; each round times, over the same 1080p25 H.264 file at one frame a second: the bare
selective decode, the bare forward passes at the encoder's best batch, and ``tag_files`` under each runtime (models
already loaded). Printed as JSON: medians in seconds and the ratio of each runtime to decode + encode.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from daemon.offline.runner import OfflineSettings, service_settings, tag_file
from daemon.runtime.base import Runtime
from daemon.runtime.factory import build_runtime
from tests.benchmarks.speed.decode import bare_decode, make_clip
from tests.support.programs.processes import PeakMemory
from workers.encoders.allocator import tune_allocator
from workers.encoders.registry import load_encoder
from workers.models.options import EncoderOptions
from workers.types import EventSpec

EVENTS = (EventSpec("cat", ("a cat",)), EventSpec("car", ("a red car",)), EventSpec("dog", ("a dog",)))
BATCHES = (8, 16, 32)


def timed(work: Callable[[], object]) -> float:
    """Return how long ``work`` takes, seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def bare_encode(path: Path) -> tuple[Callable[[], None], int]:
    """Return the forward passes over as many frames as the file gives, at the best of ``BATCHES``, and that batch."""
    encoder = load_encoder(EncoderOptions())
    spec = encoder.frame_spec
    count = bare_decode(path, 1.0, spec.width)
    frames = np.random.default_rng(0).integers(0, 255, (count, spec.height, spec.width, 3), dtype=np.uint8)

    def run(batch: int) -> None:
        for i in range(0, count, batch):
            encoder.encode_frames(frames[i : i + batch])

    best = min(BATCHES, key=lambda b: min(timed(lambda: run(b)) for _ in range(2)))
    return lambda: run(best), best


def tagging(runtime: Runtime, path: Path) -> Callable[[], object]:
    """Return the tagging of the file under a started runtime."""
    return lambda: tag_file(runtime, path, EVENTS, OfflineSettings(), lambda *_: None)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=120, help="length of the file")
    parser.add_argument("--noise", type=int, default=12, help="of the picture; more costs more to decode")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runtimes", nargs="+", default=["local", "ray"])
    options = parser.parse_args()
    tune_allocator()
    with tempfile.TemporaryDirectory() as folder, PeakMemory(os.getpid()) as memory:
        path = make_clip(Path(folder) / "clip.mp4", options.seconds, noise=options.noise)
        encode, batch = bare_encode(path)
        works: dict[str, Callable[[], object]] = {"decode": lambda: bare_decode(path, 1.0), "encode": encode}
        runtimes = {name: build_runtime(name, service_settings(OfflineSettings())) for name in options.runtimes}
        for name, runtime in runtimes.items():
            runtime.start()
            works[name] = tagging(runtime, path)
        rounds = [{name: timed(work) for name, work in works.items()} for _ in range(options.rounds)]
        for runtime in runtimes.values():
            runtime.stop()
    median = {name: statistics.median(r[name] for r in rounds) for name in works}
    ratios = {n: statistics.median(r[n] / (r["decode"] + r["encode"]) for r in rounds) for n in runtimes}
    report = {
        "seconds": {k: round(v, 2) for k, v in median.items()},
        "ratio": {k: round(v, 3) for k, v in ratios.items()},
    }
    realtime = {n: round(options.seconds / median[n], 1) for n in runtimes}
    print(json.dumps(report | {"x_realtime": realtime, "batch": batch, "peak_mib": round(memory.peak_mib)}))


if __name__ == "__main__":
    main()
