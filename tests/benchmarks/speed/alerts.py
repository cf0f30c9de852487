"""From the capture of what decides an event to its alert at a local webhook.

python -m tests.benchmarks.speed.alerts [--seconds 180] [--fps 1] [--cameras 1] [--runtime local] [--video FILE]
    [--event TEXT …]
A daemon with `lite` watches cameras that send the bundled sample, or another video, in real time and again and again.
*Capture* is that of the frame (or sound) with which the event was decided: when the revision was written less its
``latency_s``. Prints counts and percentiles in seconds, for docs/figures.md.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.support.programs.daemon import running, write_config
from tests.support.serving.receivers import Receiver, receiver
from tests.support.serving.servers import free_port

SAMPLE = Path(__file__).parents[3] / "daemon" / "sample" / "sample.mp4"
WORDS = ("a cat", "a cup of espresso", "a rocket", "a camera on a tripod")  # what the sample shows


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def latencies(hook: Receiver) -> tuple[list[float], list[float]]:
    """Return seconds from capture, and from writing the revision, to the webhook, of each alert."""
    whole, delivery = [], []
    for one in hook.got:
        for alert in one.json["data"]["alerts"]:
            event: dict[str, Any] = alert["event"]
            if one.json["type"] == "watchword.alert" and event["latency_s"] is not None:
                written = datetime.fromisoformat(event["produced_at"]).timestamp()
                whole.append(one.at - written + event["latency_s"])
                delivery.append(one.at - written)
    return whole, delivery


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--fps", type=float, default=1)
    parser.add_argument("--cameras", type=int, default=1)
    parser.add_argument("--runtime", default="local")
    parser.add_argument("--video", type=Path, default=SAMPLE)
    parser.add_argument("--event", nargs="+", default=WORDS)
    args = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        hook = stack.enter_context(receiver())
        ports = [free_port() for _ in range(args.cameras)]
        config = write_config(
            folder,
            "lite",
            runtime=args.runtime,
            cameras={f"c{n}": {"url": f"udp://127.0.0.1:{port}", "fps": args.fps} for n, port in enumerate(ports)},
            events={text.replace(" ", "_"): {"describe": text, "modalities": ["vision"]} for text in args.event},
            alerts={"cooldown": 0, "targets": {"hook": {"webhook": hook.url}}},
        )
        daemon = stack.enter_context(running(config, folder))
        daemon.wait_for("models loaded")
        for port in ports:
            to = f"udp://127.0.0.1:{port}?pkt_size=1316"
            loop = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(args.video), "-c", "copy"]
            stack.callback(subprocess.Popen([*loop, "-f", "mpegts", to], stdin=subprocess.DEVNULL).kill)
        time.sleep(args.seconds)
        whole, delivery = latencies(hook)
        assert whole, daemon.log()
        print(f"{len(whole)} alerts, {args.cameras} cameras at {args.fps:g} fps, runtime {args.runtime}")
        decision = [a - b for a, b in zip(whole, delivery, strict=True)]
        parts = {"capture to webhook": whole, "of it, capture to revision": decision, "revision to webhook": delivery}
        for name, values in parts.items():
            shown = (statistics.median(values), percentile(values, 0.95), max(values))
            print(f"{name}: median {shown[0]:.2f} s, p95 {shown[1]:.2f} s, longest {shown[2]:.2f} s")


if __name__ == "__main__":
    main()
