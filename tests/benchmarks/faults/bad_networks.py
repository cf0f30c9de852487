"""Cameras behind bad networks, in real time: what was lost, and how soon frames came again (``make netem``).

Needs root. Each row is a camera of its own; those of one kind run at once. Prints a table for docs/faults.md.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import structlog

from tests.support.serving.network import Link, bad_network, why_not
from tests.support.streams.remote import GREY_S, RED_S, Watching, hls_camera, make_scenes, rtsp_camera, udp_camera

PERIOD_S = GREY_S + RED_S
Camera = Callable[[Link, Path], AbstractContextManager[str]]
LINKS = {"nothing": {}, "5 % loss": {"loss": 0.05}, "0 to 500 ms jitter": {"jitter_s": 0.5}}
OUTAGES = {"parted for 5 s": 5.0, "parted for 30 s": 30.0, "parted for 60 s": 60.0}
CAMERAS: dict[str, Camera] = {"RTSP over TCP": rtsp_camera, "HLS": hls_camera, "UDP": udp_camera}


def measure(name: str, trouble: str, camera: Camera, video: Path, seed: int) -> str:
    """Watch one camera through its trouble; return a row of the table."""
    with bad_network(seed, **LINKS.get(trouble, {})) as link, camera(link, video) as url:
        one = Watching(url)
        one.wait_for_frames(1, 60)
        time.sleep(3 * PERIOD_S)
        again = "-"
        if away := OUTAGES.get(trouble):
            link.up = False
            time.sleep(away)
            link.up = True
            again = f"{one.wait_for_frames(1, 60):.1f} s"
        time.sleep(3 * PERIOD_S)
        spans, source = one.stop(), one.source.snapshot()
    lengths = ", ".join(f"{b - a:.0f}" for a, b in spans)
    reconnects = ", ".join(f"{n} × `{code}`" for code, n in source.failures.items()) or "none"
    dropped = ", ".join(f"{n} `{reason}`" for reason, n in source.dropped.items()) or "none"
    return f"| {name} | {trouble} | {reconnects} | {again} | {len(spans)}: {lengths} s | {dropped} |"


def main() -> None:
    """Measure every camera under every trouble."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if reason := why_not():
        raise SystemExit(reason)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    rows: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        video = make_scenes(Path(folder) / "scenes.mp4", 300)
        for name, camera in CAMERAS.items():
            with ThreadPoolExecutor(len(LINKS) + len(OUTAGES)) as pool:
                done = [pool.submit(measure, name, t, camera, video, args.seed) for t in (*LINKS, *OUTAGES)]
            rows += [one.result() for one in done]
    print("| camera | trouble | reconnects | frames again after | events | frames dropped |\n|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
