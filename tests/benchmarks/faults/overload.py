"""Twice the work that an encoder can do: ``python -m tests.benchmarks.faults.overload [--lite]``.

Live cameras at a frame a second through real pipelines, on an encoder that takes 100 ms a frame, so that ten
cameras are all it can do: first five (half of that), then twenty (twice). With ``--lite`` the encoder, and the aligner
beside it, are the real ones in their actor on Ray, asked from pipelines in this process; the cameras' rate is such that
ten are all it can do, as measured at the beginning. Printed as JSON: by priority, seconds
from a frame's capture to its scores and from an event's last frame to its publication (p50, p95), and where the frames
went, once the load has lasted 20 s; and the ratio of the most important cameras' p95, overloaded by unloaded.
"""

import argparse
import json
import logging
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from alignment.aligners.base import Aligner
from daemon.runtime.factory import build_runtime
from tests.support.streams.load import BusyEncoder, Encoding, Seen, total, watch
from workers.clock import SystemClock
from workers.services.aligner_options import build_aligner
from workers.services.clients import EncoderClient
from workers.services.scheduler import RequestContext
from workers.services.settings import ServiceSettings
from workers.types import U8, EventSpec

FPS, FRAME_S, SETTLED_S = 1.0, 0.1, 20.0
CAMERAS = 10  # are all that it can do
SAMPLE = Path(__file__).parents[3] / "daemon" / "sample" / "sample.mp4"
UNLOADED, OVERLOADED = (9, 9, 5, 1, 1), (9,) * 3 + (5,) * 5 + (1,) * 12
MOST = 9
BOUND = 1.5


class LiteOnRay:
    """The default encoder and aligner in their actor; a cat is seen, and is not."""

    event = EventSpec("cat", ("a cat",), modalities=("vision",), min_duration_s=1.0, merge_gap_s=0.5)

    def __init__(self) -> None:
        self.runtime = build_runtime("ray", ServiceSettings(speech=None))  # before Ray is imported
        self._description = self.runtime.start()
        self._shared = self.runtime._shared  # type: ignore[attr-defined]  # what a stream's actor is given
        self.pictures = (self._picture(10.0), self._picture(20.0))

    def client(self, turn: RequestContext) -> EncoderClient:
        """Return the encoder as one stream sees it."""
        return replace(self._shared.encoder, context=turn)

    def aligner(self, turn: RequestContext) -> Aligner:
        """Return a stream's aligner."""
        return build_aligner(self._description.calibration, self._shared.network, turn)

    def frames_per_s(self, seconds: float = 10.0) -> float:
        """Return how many frames a second it can do, asked for one by one."""
        client, waiting, done = self.client(RequestContext("probe", live=True, late_s=60.0)), deque[Any](), 0
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            waiting.append(client.encode_frames(self.pictures[0][None]))
            if len(waiting) > CAMERAS:
                waiting.popleft().result()
                done += 1
        return done / seconds

    def _picture(self, at_s: float) -> U8:
        width, height = self._description.frame_spec.typical
        shape = ("-vf", f"scale={width}:{height}", "-pix_fmt", "rgb24")
        command: list[Any] = ["ffmpeg", "-v", "error", "-ss", str(at_s), "-i", SAMPLE, "-frames:v", "1", *shape]
        raw = subprocess.run([*command, "-f", "rawvideo", "-"], check=True, capture_output=True).stdout
        return np.frombuffer(raw, np.uint8).reshape(height, width, 3)


def percentiles(latencies: Sequence[float]) -> dict[str, float]:
    """Return p50 and p95, seconds."""
    return {f"p{q}": round(float(np.percentile(latencies, q)), 3) for q in (50, 95)} if latencies else {}


def measure(encoder: Encoding, fps: float, priorities: Sequence[int], seconds: float) -> dict[int, dict[str, Any]]:
    """Watch for so long after settling; return what came of it by priority."""
    clock = SystemClock()
    settled = clock.wall() + SETTLED_S
    seen = watch(priorities, fps, SETTLED_S + seconds, encoder, clock)
    lost = {name: s.sampled - sum(total(s).values()) for name, s in seen.items()}
    assert not any(lost.values()), f"frames that nobody accounts for: {lost}"
    return {p: _summary([s for name, s in seen.items() if name.endswith(f"-{p}")], settled) for p in set(priorities)}


def _summary(cameras: Sequence[Seen], settled: float) -> dict[str, Any]:
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
    parser.add_argument("--lite", action="store_true", help="the real encoder and aligner, on Ray")
    options = parser.parse_args()
    warnings = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=warnings, logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    encoder: Encoding = LiteOnRay() if options.lite else BusyEncoder(FRAME_S, SystemClock())
    fps = encoder.frames_per_s() / CAMERAS if isinstance(encoder, LiteOnRay) else FPS
    calm, busy = (measure(encoder, fps, priorities, options.seconds) for priorities in (UNLOADED, OVERLOADED))
    if isinstance(encoder, LiteOnRay):
        encoder.runtime.stop()
    ratio = {k: round(busy[MOST][k]["p95"] / calm[MOST][k]["p95"], 2) for k in ("scored_s", "published_s")}
    print(json.dumps({"fps": round(fps, 2), "unloaded": calm, "overloaded": busy, "p95_ratio": ratio, "bound": BOUND}))
    assert ratio["published_s"] <= BOUND, "the important wait for the others"
    assert set(busy[MOST]["frames"]) <= {"sampled", "scored", "left"}, "the important lose frames"


if __name__ == "__main__":
    main()
