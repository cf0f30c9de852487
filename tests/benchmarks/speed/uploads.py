"""How many tiny uploads a second are watched: ``python -m tests.benchmarks.speed.uploads``.

One daemon, `lite`, one event. ``--files`` videos of one frame, each with bytes of its own, and as many files that are
no videos, lie in the folder before it starts. Printed as JSON once all are done or ``--seconds`` have passed since the
first: uploads a second, seconds from one to the next (p50, p95), whether they were done in order, and whether each lies
where it belongs.
"""

import argparse
import json
import shutil
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.programs.daemon import Running, json_lines, running, write_config
from tests.support.videos.media import make_video

EVENTS = {"cat": {"describe": "a cat", "modalities": ["vision"]}}


def drop(inbox: Path, files: int) -> None:
    """Lay videos and junk by turns into the folder, in order of their names."""
    inbox.mkdir()
    video = make_video(inbox / "one.mp4", [0]).read_bytes()
    (inbox / "one.mp4").unlink()
    for n in range(files):
        (inbox / f"{n:05}-a.mp4").write_bytes(video + f"{n:08}".encode())  # what follows the last box is passed over
        (inbox / f"{n:05}-b.mp4").write_bytes(f"{n:08}".encode())


def done(daemon: Running) -> list[dict[str, str]]:
    """Return the log's lines about uploads that are done."""
    return [line for line in json_lines(daemon.log()) if line["event"] == "upload done"]


def measure(folder: Path, runtime: str, files: int, seconds: float) -> dict[str, Any]:
    """Run the daemon until all uploads are done, or for so long; return what came of it."""
    drop(folder / "inbox", files)
    uploads = {"folder": "inbox", "done": "done"}
    config = write_config(folder, "lite", uploads=uploads, events=EVENTS, runtime=runtime)
    with running(config, folder) as daemon:
        daemon.wait_for("upload done", 300)
        deadline = time.monotonic() + seconds
        while len(done(daemon)) < 2 * files and time.monotonic() < deadline:
            time.sleep(0.5)
        daemon.end()
        lines = done(daemon)
    names = [line["file"] for line in lines]
    at = np.array([datetime.fromisoformat(line["timestamp"]).timestamp() for line in lines])
    right = all(line["failed"] == ("-b" in line["file"]) and Path(line["moved_to"]).exists() for line in lines)
    left = len(list((folder / "inbox").iterdir()))
    return {
        "runtime": runtime,
        "done": len(lines),
        "a_second": round((len(at) - 1) / float(at[-1] - at[0]), 2),
        "seconds_between": {f"p{q}": round(float(np.percentile(np.diff(at), q)), 3) for q in (50, 95)},
        "in_order": names == sorted(names),
        "none_lost": right and len(set(names)) == len(names) and left + len(names) == 2 * files,
    }


def main() -> int:
    """Run the benchmark; 1 where an upload was lost or came out of turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", choices=("local", "ray"), default="local")
    parser.add_argument("--files", type=int, default=20, help="videos, and as many files that are none")
    parser.add_argument("--seconds", type=float, default=60, help="at most, after the first")
    parser.add_argument("--keep", type=Path, help="a folder to leave the daemon's log in")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = measure(Path(name), options.runtime, options.files, options.seconds)
        if options.keep:
            shutil.copy(Path(name) / "daemon.log", options.keep)
    print(json.dumps(found))
    return 0 if found["in_order"] and found["none_lost"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
