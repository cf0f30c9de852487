"""Measures what it costs a stream to have its state kept: in its own process (local), and by an actor (Ray).

``python -m tests.benchmarks.speed.state_calls``: medians of 60 calls, milliseconds. The files go to a temporary folder.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from daemon.runtime.factory import build_runtime
from workers.models.options import EncoderOptions
from workers.services.clients import StateClient
from workers.services.settings import ServiceSettings

CALLS = 60
SNAPSHOT, EXPLANATION, BUDGETS = 30_000, 110_000, 8_000  # bytes, as of a frame of 448 x 256


def median_ms(call: Callable[[], object]) -> float:
    """Return the median time of a call."""
    seconds = []
    for _ in range(CALLS):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds)


def measure(state: StateClient) -> dict[str, float]:
    """Return milliseconds by kind of call."""
    noise = np.random.default_rng(0).bytes
    snapshot, explanation, budgets = noise(SNAPSHOT), noise(EXPLANATION), noise(BUDGETS)
    return {
        "save_pictures (snapshot)": median_ms(lambda: state.save_pictures("door", "a", snapshot, None)),
        "save_pictures (both)": median_ms(lambda: state.save_pictures("door", "a", snapshot, explanation)),
        "save_budgets": median_ms(lambda: state.save_budgets("door", budgets)),
        "forbids": median_ms(lambda: state.forbids("door", "a", (1.0, 2.0))),
    }


def main() -> None:
    """Measure both runtimes and print a table."""
    found = {}
    for name in ("local", "ray"):
        with tempfile.TemporaryDirectory() as folder:
            options = EncoderOptions(profile="colour")
            runtime = build_runtime(name, ServiceSettings(options, speech=None, state_dir=Path(folder)))
            runtime.start()
            found[name] = measure(runtime._shared.state)  # type: ignore[attr-defined]  # what a stream is given
            runtime.stop()
    for call in found["local"]:
        print(f"{call:26} {found['local'][call]:7.2f} {found['ray'][call]:7.2f}")


if __name__ == "__main__":
    main()
