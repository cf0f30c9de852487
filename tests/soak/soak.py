"""Four live cameras and a seeded sequence of faults: ``soak.py [--minutes 60] [--seed 0]`` prints a verdict.

The daemon runs as it does for users (Ray, `lite`); cameras, Redis and processes break as `faults.py` says; `oracle.py`
knows what must have been told. Exit code 1 where anything was lost or doubled, or came back too late, or grew.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.soak.broadcast import Camera, broadcasting
from tests.soak.faults import RECOVERY_S, Fault, Happened, Site, schedule
from tests.soak.oracle import ROUND_S, Verdict, judge, shown
from tests.soak.watching import Watching
from tests.support.programs.daemon import WATCHWORD, Running, json_lines, write_config
from tests.support.serving.redis import BINARIES, Server
from tests.support.serving.servers import free_port

EVENTS = {
    "cat": {"describe": "a cat", "modalities": ["vision"]},
    "coffee": {"describe": "a cup of espresso", "modalities": ["vision"]},
    "rocket": {"describe": "a rocket", "modalities": ["vision"]},
    "tripod": {"describe": "a camera on a tripod", "modalities": ["vision"]},
    "parcel": {"describe": "someone talks about a parcel that was delivered", "modalities": ["speech"]},
    "weather": {"describe": "someone talks about the weather", "modalities": ["speech"]},
}
WARM_UP_S = 180.0
SETTLED_S = 20.0  # before the end: what is shown later may not have been told yet
STOP_S = 10.0
MEMORY_GROWTH, DESCRIPTOR_GROWTH = 0.05, 0.02
LEAST_MINUTES = 20  # for growth to say anything
console = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a run showed."""

    minutes: float
    seed: int | None
    faults: int
    verdict: Verdict
    back_after_s: dict[str, float]  # the longest time to the next frame after a fault of each kind
    sizes: dict[str, tuple[float, float]]  # at the beginning and at the end: see ``Watching.growth``
    memory_mib: float
    stop_s: float
    stop_code: int

    @property
    def good(self) -> bool:
        """Whether all that must hold did."""
        late = [k for k, s in self.back_after_s.items() if s > RECOVERY_S[k.split(":")[0]]]
        grew = self.growth("memory") > MEMORY_GROWTH or self.growth("descriptors") > DESCRIPTOR_GROWTH
        return self.verdict.good and not late and not grew and self.stop_s <= STOP_S and self.stop_code == 0

    def growth(self, name: str) -> float:
        """Return by which share a figure grew; 0 where it was not measured."""
        first, last = self.sizes.get(name, (1.0, 1.0))
        return last / first - 1 if first else 0.0


def config(folder: Path, cameras: dict[str, Camera], redis: Server, port: int) -> Path:
    """Write the daemon's configuration: sound is listened to on one camera."""
    wanted = {name: {"url": camera.url, "audio": name == "http"} for name, camera in cameras.items()}
    return write_config(
        folder, "lite", cameras=wanted, events=EVENTS, redis={"url": redis.url}, http={"port": port},
        runtime="ray", speech={"language": "en"},
    )  # fmt: skip


def run(
    folder: Path, seconds: float, faults: Sequence[Fault], seed: int | None = None, apart_s: float = 18.0
) -> Report:
    """Run the daemon for ``seconds`` from its first frame, cause ``faults``, stop it, and judge."""
    (folder / "redis").mkdir()
    redis = Server(BINARIES["valkey"] or "", folder / "redis", "--appendonly", "yes", "--appendfsync", "always").start()
    port = free_port()
    try:
        with broadcasting(folder, apart_s) as cameras:
            path = config(folder, cameras, redis, port)
            site = Site(cameras, redis, lambda: Running(path, folder / f"daemon-{time.time():.0f}.log", WATCHWORD))
            try:
                with Watching(f"http://127.0.0.1:{port}", lambda: site.daemon.process.pid) as watching:
                    site.daemon.wait_for("models loaded", 180)
                    began = time.time()
                    happened = _go_on(site, watching, began, seconds, faults)
                    until = time.time()
                before = time.monotonic()
                code = site.daemon.end()
                stop_s = time.monotonic() - before
            finally:
                site.daemon.process.kill()
            things = [s for name, c in cameras.items() for s in shown(name, c.began, until + ROUND_S)]
            entries = [json.loads(v["body"]) for _, v in redis.client.xrange("watchword:events")]
            logged = {x["id"] for log in [*site.logs, site.daemon.log()] for x in json_lines(log)
                      if x.get("event") == "event"}  # fmt: skip
            verdict = judge(things, happened, entries, logged, (began + RECOVERY_S["daemon"], until - SETTLED_S))
            return _report(seconds, seed, happened, watching, verdict, stop_s, code)
    finally:
        redis.kill()


def _go_on(
    site: Site, watching: Watching, began: float, seconds: float, faults: Sequence[Fault]
) -> list[Happened]:  # fmt: skip
    """Cause the faults in turn until the time is over."""
    happened: list[Happened] = []
    waiting = list(faults)
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("all well", total=seconds)
        while (now := time.time() - began) < seconds:
            progress.update(bar, completed=now)
            if waiting and waiting[0].at <= now:
                fault = waiting.pop(0)
                progress.update(bar, description=f"{fault.whom} {fault.what}")
                happened.append(site.cause(fault))
                console.log(f"{fault.part} {fault.whom} {fault.what} {happened[-1].ended - happened[-1].began:.0f} s")
                progress.update(bar, description="all well")
            assert site.daemon.process.poll() is None, site.daemon.log()[-4000:]
            time.sleep(0.5)
    return happened


def _report(
    seconds: float, seed: int | None, happened: Sequence[Happened], watching: Watching, verdict: Verdict,
    stop_s: float, code: int,
) -> Report:  # fmt: skip
    back: dict[str, float] = {}
    for one in happened:
        fault = one.fault
        for camera in watching.frames:
            if one.blinds(camera):
                after = watching.back_after_s(one, camera)
                key = f"{fault.part}: {camera if fault.part == 'source' else fault.whom} {fault.what}"
                back[key] = round(max(back.get(key, 0.0), seconds if after is None else after), 1)

    def calm(at: float) -> bool:
        return not any(h.began <= at <= h.over + 30 for h in happened)

    sizes = watching.growth(calm, WARM_UP_S) if seconds >= LEAST_MINUTES * 60 else {}
    return Report(
        round(seconds / 60, 1), seed, len(happened), verdict, back, sizes,
        memory_mib=round(max((s.memory_mib for s in watching.samples), default=0.0)), stop_s=round(stop_s, 1),
        stop_code=code,
    )  # fmt: skip


def show(report: Report) -> None:
    """Print the verdict: a table for people, JSON for programs."""
    table = Table("what", "figure", title=f"soak of {report.minutes} min, {report.faults} faults")
    verdict = report.verdict
    figures: dict[str, Any] = {
        "events expected / found": f"{verdict.expected} / {verdict.found}",
        "lost": len(verdict.lost) + len(verdict.undelivered) + len(verdict.unended),
        "told twice": len(verdict.twice),
        "strays": verdict.strays,
        "SIGTERM to exit": f"{report.stop_s} s, code {report.stop_code}",
        "memory at most": f"{report.memory_mib:.0f} MiB",
        **{k: f"{a:.0f} to {b:.0f}, growth {report.growth(k):+.1%}" for k, (a, b) in report.sizes.items()},
        **{f"back after {k}": f"{s} s" for k, s in sorted(report.back_after_s.items())},
    }
    for name, figure in figures.items():
        table.add_row(name, str(figure))
    console.print(table)
    console.print("[green]good" if report.good else "[red]bad")
    print(json.dumps(asdict(report) | {"good": report.good}))


def main() -> None:
    """Run the soak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=float, default=60, help="seconds between faults, about")
    parser.add_argument("--keep", type=Path, help="an empty folder for logs and state, which are else thrown away")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name)
        seconds = 60 * options.minutes
        faults = schedule(seconds, options.seed, options.every, ("http", "tcp", "hls", "rtsp"))
        report = run(folder, seconds, faults, options.seed)
    show(report)
    sys.exit(0 if report.good else 1)


if __name__ == "__main__":
    main()
