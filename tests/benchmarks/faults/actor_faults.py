"""How long actors that are killed or hang hold the work up, and whether its events are those of a calm run.

python -m tests.benchmarks.faults.actor_faults [--pause 5] [--outage 60]
The bundled sample, Ray, `lite`. First one daemon tags an upload a fault, each with a title and thus ids of its own; the
fault comes once the file is being looked at. Then, for each kind of actor, a daemon watches the sample as a camera
while whatever actor of that kind appears is killed for ``--outage`` seconds: these events must be equal by id.
Prints two tables for docs/faults.md; status 1 where an event was lost, doubled or changed.
"""

import argparse
import re
import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.support.programs.daemon import Running, published, running, write_config
from tests.support.programs.processes import KINDS, actors, send_signal, wait_for_actor

SAMPLE = Path(__file__).parents[3] / "daemon" / "sample" / "sample.mp4"
EVENTS = {
    "cat": {"describe": "a cat", "modalities": ["vision"]},
    "parcel": {"describe": "someone talks about a parcel that was delivered", "modalities": ["speech"]},
}
LOOKED = re.compile(r'^watchword_last_frame_timestamp_seconds\{camera="uploads"\} (\S+)$', re.MULTILINE)
PATIENCE_S = 170.0
Facts = tuple[tuple[Any, ...], ...]


def until(daemon: Running, condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, daemon.log()
        time.sleep(0.1)


def last_frame(daemon: Running) -> float:
    """Return when an upload was last looked at, Unix seconds."""
    url = re.search(r'"url": "(http://[^"]+)"', daemon.log())
    assert url, daemon.log()
    looked = LOOKED.search(httpx.get(f"{url[1]}/metrics").text)
    return float(looked[1]) if looked else 0.0


def upload(daemon: Running, folder: Path, name: str, number: int, kind: str | None, how: str, pause_s: float) -> float:
    """Let one file be watched, do something to an actor meanwhile; return the seconds from the fault to its end."""
    part = folder / "part.mp4"
    command: list[Any] = ["ffmpeg", "-v", "error", "-y", "-i", SAMPLE, "-c", "copy", "-metadata", f"title={name}", part]
    subprocess.run(command, check=True)
    part.rename(folder / "inbox" / f"{name}.mp4")
    arrived = time.time()
    until(daemon, lambda: last_frame(daemon) > arrived)
    began = time.monotonic()
    if kind is not None:
        pid = actors(daemon.process.pid)[kind]
        send_signal(pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        if how == "paused":
            time.sleep(pause_s)
            send_signal(pid, signal.SIGCONT)
    until(daemon, lambda: daemon.log().count("stream finished") == number)
    return time.monotonic() - began


def uploads(folder: Path, pause_s: float) -> bool:
    """Tag a file a fault; return whether each has the same events, but for their ids."""
    cases = [(None, "calm"), *((kind, how) for kind in KINDS for how in ("killed", "stopped", "paused"))]
    (folder / "inbox").mkdir()
    places = {"folder": "inbox", "done": "done"}
    config = write_config(folder, "lite", uploads=places, events=EVENTS, runtime="ray")
    with running(config, folder) as daemon:
        daemon.wait_for("models loaded")
        calm_s = 0.0
        for number, (kind, how) in enumerate(cases, 1):
            took = upload(daemon, folder, f"{kind}-{how}", number, kind, how, pause_s)
            calm_s = took if kind is None else calm_s
            print(f"| {kind or 'none'} | {how} | {took:.1f} s | {took - calm_s:.1f} s |", flush=True)
        daemon.end()
    files: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for e in published(folder, all_revisions=True):
        files[e["segment"]].append((e["event"], e["revision"], e["type"], e["start"], e["end"], e["score"]))
    same = len(files) == len(cases) and len({tuple(sorted(found)) for found in files.values()}) == 1
    print(f"\n{len(files)} of {len(cases)} files, every one with the same events: {'yes' if same else 'NO'}\n")
    return same


def outage(folder: Path, kind: str | None, seconds: float) -> tuple[float, Facts]:
    """Kill every actor of a kind for so long; return the seconds from then to the file's end, and the events."""
    folder.mkdir()
    config = write_config(folder, "lite", cameras={"good": {"url": str(SAMPLE)}}, events=EVENTS, runtime="ray")
    with running(config, folder) as daemon:
        wait_for_actor(daemon.process.pid, "StreamActor", PATIENCE_S)
        end = time.monotonic() + seconds
        while kind is not None and time.monotonic() < end:
            if pid := actors(daemon.process.pid).get(kind):
                send_signal(pid, signal.SIGKILL)
            time.sleep(0.2)
        began = time.monotonic()
        until(daemon, lambda: "stream finished" in daemon.log())
        took = time.monotonic() - began
        daemon.end()
    keys = ("camera", "event", "id", "revision", "type", "start", "end", "score")
    return took, tuple(sorted(tuple(e[k] for k in keys) for e in published(folder, all_revisions=True)))


def outages(folder: Path, seconds: float) -> bool:
    """Let one kind of actor after the other fail for so long; return whether nothing changed."""
    folder.mkdir()
    calm_s, calm = outage(folder / "calm", None, 0.0)
    print(f"| none | {calm_s:.1f} s | - | - |", flush=True)
    same = bool(calm)
    for kind in KINDS:
        took, found = outage(folder / kind, kind, seconds)
        print(f"| {kind} | {took:.1f} s | {took - calm_s:.1f} s | {'yes' if found == calm else 'NO'} |", flush=True)
        same &= found == calm
    return same


def main() -> int:
    """Run every fault, one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pause", type=float, default=5.0, help="how long an actor is stopped that goes on again")
    parser.add_argument("--outage", type=float, default=60.0, help="how long every actor of a kind is killed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print("| actor | fault | file done after | held up for |\n|---|---|---|---|")
        fine = uploads(Path(name), options.pause)
        print(f"| actor, killed for {options.outage:.0f} s | file done after | more than calm | same events, by id |")
        print("|---|---|---|---|")
        fine &= outages(Path(name) / "outages", options.outage)
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
