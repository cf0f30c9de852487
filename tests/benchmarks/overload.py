"""Twice the work that an encoder can do: ``PYTHONPATH=tests/support python tests/benchmarks/overload.py``.

Live cameras at a frame a second through real pipelines, `local`, on an encoder that takes 100 ms a frame, so that ten
cameras are all it can do: first five (half of that), then twenty (twice). Printed as JSON: by priority, seconds
from a frame's capture to its scores and from an event's last frame to its publication (p50, p95), and where the frames
went, once the load has lasted 20 s; and the ratio of the most important cameras' p95, overloaded by unloaded.
"""

import argparse
import json
import logging
from collections import Counter
from collections.abc import Sequence

import numpy as np
import structlog
from busy_cameras import BusyEncoder, Seen, total, watch

from workers.clock import SystemClock

FPS, FRAME_S, SETTLED_S = 1.0, 0.1, 20.0
UNLOADED, OVERLOADED = (9, 9, 5, 1, 1), (9,) * 3 + (5,) * 5 + (1,) * 12
MOST = 9
BOUND = 1.5


def percentiles(latencies: Sequence[float]) -> dict[str, float]:
    """Return p50 and p95, seconds."""
    return {f"p{q}": round(float(np.percentile(latencies, q)), 3) for q in (50, 95)} if latencies else {}


def measure(priorities: Sequence[int], seconds: float) -> dict[int, dict[str, object]]:
    """Watch for so long after settling; return what came of it by priority."""
    clock = SystemClock()
    settled = clock.wall() + SETTLED_S
    seen = watch(priorities, FPS, SETTLED_S + seconds, BusyEncoder(FRAME_S, clock), clock)
    lost = {name: s.sampled - sum(total(s).values()) for name, s in seen.items()}
    assert not any(lost.values()), f"frames that nobody accounts for: {lost}"
    return {p: _summary([s for name, s in seen.items() if name.endswith(f"-{p}")], settled) for p in set(priorities)}


def _summary(cameras: Sequence[Seen], settled: float) -> dict[str, object]:
    frames = sum((total(s) for s in cameras), Counter[str]())
    return {
        "cameras": len(cameras),
        "scored_s": percentiles([x for s in cameras for when, x in s.scored if when > settled]),
        "published_s": percentiles([x for s in cameras for when, x in s.published if when > settled]),
        "frames": {"sampled": sum(s.sampled for s in cameras), **frames},
    }


def main() -> None:
    """Run the benchmark; fails where the bound is broken or the important lose a frame."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="of each load, after it has settled")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    calm, busy = measure(UNLOADED, options.seconds), measure(OVERLOADED, options.seconds)
    ratio = {k: round(busy[MOST][k]["p95"] / calm[MOST][k]["p95"], 2) for k in ("scored_s", "published_s")}  # type: ignore[index]  # a JSON document
    print(json.dumps({"unloaded": calm, "overloaded": busy, "p95_ratio": ratio, "bound": BOUND}))
    assert ratio["published_s"] <= BOUND, "the important wait for the others"
    assert set(busy[MOST]["frames"]) <= {"sampled", "scored", "left"}, "the important lose frames"  # type: ignore[call-overload]


if __name__ == "__main__":
    main()
