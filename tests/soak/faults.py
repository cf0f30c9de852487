"""What can go wrong, and a seeded schedule of it."""

import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from tests.soak.broadcast import Camera
from tests.support.programs.daemon import Running
from tests.support.serving.redis import Server

ACTORS = ("StreamActor", "EncoderActor", "SpeechActor", "StateActor")
SOURCE_FAULTS = ("hangs up", "is silent", "is away", "is noisy")
RECOVERY_S = {"source": 15.0, "actor": 15.0, "daemon": 25.0, "redis": 15.0}
BLIND = ("source", "actor", "daemon")  # while these are down nothing can be seen; Redis only takes what was seen


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong at second ``at`` of the run, for ``lasts_s``. ``part``: source, actor, daemon or redis."""

    at: float
    part: str
    whom: str  # a camera, an actor; the part itself otherwise
    what: str
    lasts_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Happened:
    """A fault with the Unix times between which it was there."""

    fault: Fault
    began: float
    ended: float

    def blinds(self, camera: str) -> bool:
        """Tell whether ``camera`` could not be seen during it: its own trouble, or one that all share."""
        fault = self.fault
        own = fault.part != "source" or fault.whom == camera
        return own and fault.part in BLIND and fault.whom not in ("SpeechActor", "StateActor")

    @property
    def over(self) -> float:
        """Return by when everything must be well again, Unix time."""
        return self.ended + RECOVERY_S[self.fault.part]


def schedule(seconds: float, seed: int, every_s: float, cameras: Sequence[str]) -> list[Fault]:
    """Return faults about ``every_s`` apart; the first minute and the last are left in peace."""
    rng = random.Random(seed)
    faults, at = [], 60.0 + rng.uniform(0, every_s)
    while at < seconds - 90:
        faults.append(_any(rng, at, cameras))
        at += faults[-1].lasts_s + rng.uniform(0.5, 1.5) * every_s
    return [f for f in faults if f.at + f.lasts_s < seconds - 60]


def _any(rng: random.Random, at: float, cameras: Sequence[str]) -> Fault:
    part = rng.choices(["source", "actor", "redis", "daemon"], [6, 5, 3, 1])[0]
    if part == "source":
        what = rng.choice(SOURCE_FAULTS)
        lasts = {"hangs up": 0.0, "is noisy": rng.uniform(1, 3)}.get(what, rng.choice([5.0, 20.0, 60.0]))
        return Fault(at, part, rng.choice(list(cameras)), what, lasts)
    if part == "actor":
        what = rng.choice(["is killed", "is killed", "stands still"])
        return Fault(at, part, rng.choice(ACTORS), what, rng.choice([5.0, 20.0]) if what == "stands still" else 0.0)
    if part == "redis":
        return Fault(at, part, part, rng.choice(["is killed", "stands still"]), rng.choice([5.0, 20.0, 60.0]))
    return Fault(at, part, part, "is killed")


class Site:
    """All that can be broken: the cameras, the server, the daemon."""

    def __init__(self, cameras: dict[str, Camera], redis: Server, start: Callable[[], Running]) -> None:
        self.cameras, self.redis, self._start = cameras, redis, start
        self.daemon = start()
        self.logs: list[str] = []  # of daemons that were killed

    def cause(self, fault: Fault) -> Happened:
        """Break something for as long as the fault lasts, and mend it."""
        began = time.time()
        getattr(self, f"_{fault.part}")(fault)
        return Happened(fault, began, time.time())

    def _source(self, fault: Fault) -> None:
        camera = self.cameras[fault.whom]
        if fault.what == "hangs up":
            camera.hang_up()
            return
        camera.set({"is silent": "silent", "is away": "away", "is noisy": "noisy"}[fault.what])  # type: ignore[arg-type]  # a mode
        time.sleep(fault.lasts_s)
        camera.set("well")

    def _actor(self, fault: Fault) -> None:
        with suppress(psutil.NoSuchProcess):
            self._break(random.Random(fault.at).choice(self._actors(fault.whom)), fault)

    def _actors(self, name: str) -> list[psutil.Process]:
        for _ in range(100):  # a killed one may just be started again
            found = []
            for process in psutil.Process(self.daemon.process.pid).children(recursive=True):
                with suppress(psutil.Error):
                    if name in " ".join(process.cmdline()):
                        found.append(process)
            if found:
                return found
            time.sleep(0.2)
        raise AssertionError(f"no {name} runs")

    def _redis(self, fault: Fault) -> None:
        if fault.what == "is killed":
            self.redis.kill()
            time.sleep(fault.lasts_s)
            self.redis.start()
        else:
            self._break(psutil.Process(self.redis.pid), fault)

    def _daemon(self, fault: Fault) -> None:
        self.daemon.process.kill()
        self.daemon.process.wait()
        self.logs.append(self.daemon.log())
        self.daemon = self._start()

    def _break(self, process: psutil.Process, fault: Fault) -> None:
        if fault.what == "is killed":
            process.kill()
            return
        process.send_signal(signal.SIGSTOP)
        time.sleep(fault.lasts_s)
        process.send_signal(signal.SIGCONT)
