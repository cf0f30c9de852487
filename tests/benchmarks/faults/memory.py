"""Whether memory stays flat: ``python -m tests.benchmarks.faults.memory [--minutes N] [--runtime ray|local]``.

Runs the daemon over a 1080p file that starts again at its end, and samples the memory (proportional set size) of all
its processes. Printed as JSON: MiB after the first minute, at the end, the growth, and how much video went through.
"""

import argparse
import json
import re
import statistics
import tempfile
import time
from pathlib import Path

import httpx

from tests.benchmarks.speed.decode import make_clip
from tests.support.programs.daemon import running, write_config
from tests.support.programs.processes import memory_mib

EVENTS = {"cat": {"describe": "a cat"}, "speech": {"describe": "someone talks about the weather"}}
SAMPLE_S = 5.0


def sampled_frames(url: str) -> float:
    """Return how many frames the daemon has taken, from its metrics."""
    text = httpx.get(f"{url}/metrics").text
    match = re.search(r"^watchword_frames_sampled_total\{.*\} (\S+)$", text, re.M)
    return float(match[1]) if match else 0.0


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--runtime", default="ray")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = make_clip(folder / "clip.mp4", 60)
        cameras = {"loop": {"url": str(clip), "loop": True}}
        config = write_config(folder, "lite", cameras=cameras, events=EVENTS, runtime=options.runtime)
        with running(config, folder) as daemon:
            daemon.wait_for("models loaded")
            found = re.search(r'"url": "(http://[^"]+)"', daemon.log())
            assert found
            samples = []
            began = time.monotonic()
            while (elapsed := time.monotonic() - began) < options.minutes * 60:
                assert daemon.process.poll() is None, daemon.log()
                samples.append((elapsed, memory_mib(daemon.process.pid)))
                time.sleep(SAMPLE_S)
            frames = sampled_frames(found[1])
            daemon.end()
    first = statistics.median(m for t, m in samples if 60 <= t < 90)
    last = statistics.median(m for t, m in samples if t >= options.minutes * 60 - 30)
    report = {"minute_1_mib": round(first), "end_mib": round(last), "growth": round(last / first - 1, 4)}
    curve = [round(m) for t, m in samples[:: round(300 / SAMPLE_S)]]
    video = {
        "every_5_minutes_mib": curve,
        "minutes": options.minutes,
        "frames": int(frames),
        "peak_mib": round(max(m for _, m in samples)),
    }
    print(json.dumps(report | video | {"runtime": options.runtime}))


if __name__ == "__main__":
    main()
