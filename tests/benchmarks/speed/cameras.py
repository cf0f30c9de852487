"""Cameras that this machine watches: ``python -m tests.benchmarks.speed.cameras [--cameras 8] [--fps 1] [--video V]``.

The daemon runs as it does for users, with `lite`, both detectors and sounds. Its cameras are live: 1280×720 pixels, 15
frames a second, over TCP, each looping the bundled sample (or ``--video``), and served by FFmpeg. Prints JSON: how many
cores the daemon and its processes keep busy, in all and per camera, their memory (proportional set size) at the end,
the frames that were sampled, searched for objects and dropped, and how many cameras the daemon calls overloaded.
"""

import argparse
import json
import re
import subprocess
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from tests.support.programs.daemon import WATCHWORD, Running, json_lines, running, write_config
from tests.support.programs.processes import memory_mib, process, tree
from tests.support.serving.servers import free_port

SAMPLE = Path(__file__).parents[3] / "daemon" / "sample" / "sample.mp4"
EVENTS = {
    "person": {"describe": "a person"},
    "car": {"describe": "a red car"},
    "cat": {"describe": "a cat"},
    "glass": {"describe": "glass breaks"},
}
SETTLED_S = 20.0
SAMPLED = re.compile(r"^watchword_(\w+)(?:\{.*\})? (\S+)$", re.MULTILINE)


def encode(video: Path, to: Path) -> Path:
    """Write what a camera sends: two minutes at most, 1280×720 pixels, 15 frames and a key frame a second."""
    picture = "scale=1280:720:force_original_aspect_ratio=decrease,pad=1280:720:-1:-1,fps=15"
    coded = (
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-g",
        "15",
        "-bf",
        "0",
        "-b:v",
        "2M",
        "-c:a",
        "aac",
        "-ar",
        "48000",
    )
    command = ("ffmpeg", "-v", "error", "-y", "-i", str(video), "-t", "120", "-vf", picture, *coded, str(to))
    subprocess.run(command, check=True)
    return to


@contextmanager
def camera(video: Path) -> Iterator[str]:
    """Serve one client over TCP; yields the URL."""
    url = f"tcp://127.0.0.1:{free_port()}"
    with process(
        "ffmpeg",
        "-v",
        "quiet",
        "-re",
        "-stream_loop",
        "-1",
        "-i",
        str(video),
        "-c",
        "copy",
        "-f",
        "mpegts",
        f"{url}?listen=1",
    ):
        yield url


def metrics(daemon: Running) -> Counter[str]:
    """Return every metric, summed over its labels."""
    (url,) = [line["url"] for line in json_lines(daemon.log()) if line["event"] == "listening"]
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        text = answer.read().decode()
    found: Counter[str] = Counter()
    for name, value in SAMPLED.findall(text):
        found[name] += float(value)  # type: ignore[assignment]  # Prometheus counts in floats
    return found


def cpu_s(daemon: Running) -> dict[int, float]:
    """Return the processor time of each process so far."""
    return {p.pid: sum(p.cpu_times()[:2]) for p in tree(daemon.process.pid) if p.is_running()}


def watch(cameras: int, fps: float, runtime: str, seconds: float, video: Path) -> dict[str, object]:
    """Watch for so long after all has settled."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sent = encode(video, folder / "sent.mp4")
        urls = {f"cam{n}": {"url": stack.enter_context(camera(sent)), "fps": fps} for n in range(cameras)}
        config = write_config(folder, "lite", cameras=urls, events=EVENTS, runtime=runtime)
        daemon = stack.enter_context(running(config, folder, WATCHWORD))  # no fork: memory counts
        daemon.wait_for("listening")
        deadline = time.monotonic() + 120
        while metrics(daemon)["stream_up"] < cameras:
            assert time.monotonic() < deadline, daemon.log()
            time.sleep(1)
        time.sleep(SETTLED_S)
        began, before, spent = time.monotonic(), metrics(daemon), cpu_s(daemon)
        time.sleep(seconds)
        took, after, then = time.monotonic() - began, metrics(daemon), cpu_s(daemon)
        memory = memory_mib(daemon.process.pid)
        busy = sum(then[pid] - spent.get(pid, 0.0) for pid in then) / took
        moved = {name: after[name] - before[name] for name in after}
        return {
            "cameras": cameras,
            "fps": fps,
            "runtime": runtime,
            "cores": psutil.cpu_count(),
            "cores busy": round(busy, 2),
            "of one core per camera": round(busy / cameras, 3),
            "memory MiB": round(memory),
            "frames": {name: moved.get(f"frames_{name}_total") for name in ("sampled", "detected", "dropped")},
            "overloaded cameras": after["overloaded"],
        }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, nargs="+", default=[8])
    parser.add_argument("--fps", type=float, default=1.0)
    parser.add_argument("--runtime", choices=("ray", "local"), default="ray")
    parser.add_argument("--seconds", type=float, default=60, help="after 20 s in which it settles")
    parser.add_argument("--video", type=Path, default=SAMPLE)
    args = parser.parse_args()
    for cameras in args.cameras:
        print(json.dumps(watch(cameras, args.fps, args.runtime, args.seconds, args.video)), flush=True)


if __name__ == "__main__":
    main()
