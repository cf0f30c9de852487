"""How soon the work goes on after an actor was killed or has hung, and whether its events are those of a calm run.

PYTHONPATH=tests/support python tests/benchmarks/actor_faults.py [--pause 5]
One daemon on Ray tags an upload a fault: the bundled sample's first 20 s, each with a title of its own and so with ids
of its own. Prints a table for docs/faults.md; status 1 where an event was lost, doubled or changed.
"""

import argparse
import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from actors import KINDS, send, wait_for
from daemon_process import Running, published, running, write_config

SAMPLE = Path(__file__).parents[2] / "daemon" / "sample" / "sample.mp4"
EVENTS = {
    "cat": {"describe": "a cat", "modalities": ["vision"]},
    "parcel": {"describe": "someone talks about a parcel that was delivered", "modalities": ["speech"]},
}


def upload(daemon: Running, folder: Path, name: str, number: int, kind: str | None, how: str, pause_s: float) -> float:
    """Let one file be watched, do something to an actor meanwhile; return the seconds from the fault to its end."""
    part = folder / "part.mp4"
    cut = ("-t", "20", "-c", "copy", "-metadata", f"title={name}")
    command = ["ffmpeg", "-v", "error", "-y", "-i", SAMPLE, *cut, part]
    subprocess.run(command, check=True)
    part.rename(folder / "inbox" / f"{name}.mp4")
    while daemon.log().count("tagging upload") < number:
        time.sleep(0.02)
    pids = wait_for(daemon.process.pid, "StreamActor")
    began = time.monotonic()
    if kind is not None:
        send(pids[kind], signal.SIGKILL if how == "killed" else signal.SIGSTOP)
    if how == "paused":
        time.sleep(pause_s)
        send(pids[kind or ""], signal.SIGCONT)
    while daemon.log().count("stream finished") < number:
        assert time.monotonic() - began < 170, daemon.log()
        time.sleep(0.1)
    return time.monotonic() - began


def lives(folder: Path) -> list[tuple[Any, ...]]:
    """Return what was published of each file, without its ids, sorted."""
    files: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for e in published(folder, all_revisions=True):
        files[e["epoch"]].append((e["event"], e["revision"], e["type"], e["start"], e["end"], e["score"]))
    return [tuple(sorted(found)) for found in files.values()]


def main() -> int:
    """Run every fault, one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pause", type=float, default=5.0, help="how long an actor is stopped that goes on again")
    pause_s = parser.parse_args().pause
    cases = [(None, "calm"), *((kind, how) for kind in KINDS for how in ("killed", "stopped", "paused"))]
    print("| actor | fault | file done after |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "inbox").mkdir()
        config = write_config(
            folder, uploads={"folder": "inbox", "done": "done"}, events=EVENTS, runtime="ray", redis={"maxlen": 10000}
        )
        with running(config, folder) as daemon:
            daemon.wait_for("models loaded")
            for number, (kind, how) in enumerate(cases, 1):
                took = upload(daemon, folder, f"{kind}-{how}", number, kind, how, pause_s)
                print(f"| {kind or 'none'} | {how} | {took:.1f} s |", flush=True)
            daemon.end()
        found = lives(folder)
    same = len(found) == len(cases) and len(set(found)) == 1
    print(f"\n{len(found)} of {len(cases)} files, every one with the same events: {'yes' if same else 'NO'}")
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
