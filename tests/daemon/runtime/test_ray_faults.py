"""Actors die or hang amid the work, a daemon is killed: the events are those of a run in which nothing happened."""

import json
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from alignment.errors import ExitCode
from tests.support.clocks import wait_until
from tests.support.programs.daemon import PARCEL, RED, published, running, watchword, write_config
from tests.support.programs.processes import KINDS, actors, is_stopped, send_signal, wait_for_actor
from tests.support.streams.pipelines import write_visit

pytestmark = pytest.mark.process

Facts = list[tuple[Any, ...]]
EVENTS = RED | PARCEL


def prepare(folder: Path, runtime: str) -> Path:
    """Write a configuration with one file to watch, and an inbox."""
    (folder / "inbox").mkdir(parents=True)
    write_visit(folder / "video.mp4")
    cameras = {"good": {"url": "video.mp4", "fps": 4}}
    uploads = {"folder": "inbox", "done": "done"}
    sections: dict[str, Any] = {"cameras": cameras, "uploads": uploads, "events": EVENTS, "speech": {"enabled": True}}
    models = {"profile": "colour", "aligner": "cross_attention"}  # so that the encoder's actor holds windows
    return write_config(folder, models=models, runtime=runtime, **sections)


def facts(folder: Path) -> Facts:
    """Return everything that was published, in a fixed order."""
    found = published(folder, all_revisions=True)
    keys = ("camera", "event", "id", "revision", "type", "start", "end", "score")
    return sorted(tuple(e[k] for k in keys) for e in found)


def left(family: list[psutil.Process]) -> set[str]:
    """Return the names of those that still run, but for two helpers of Ray's, which end within minutes."""
    names = set()
    for process in family:
        with suppress(psutil.Error):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                names.add(process.name())
    return names - {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """What is published where nothing happens."""
    folder = tmp_path_factory.mktemp("calm")
    config = prepare(folder, "local")
    shutil.copy(folder / "video.mp4", folder / "inbox" / "late.mp4")
    done = watchword("run", config, "--once", "--json")
    assert done.returncode == 0, done.stderr
    expected = facts(folder)
    assert {(e[0], e[1]) for e in expected} >= {("good", "red"), ("good", "parcel"), ("uploads", "red")}
    return expected


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.timeout(400)
def test_actors_are_killed_then_hang_and_nothing_is_lost_or_doubled(calm: Facts, tmp_path: Path) -> None:
    with running(prepare(tmp_path, "ray"), tmp_path) as daemon:
        pids = wait_for_actor(daemon.process.pid, "StreamActor", 120)
        send_signal(pids["EncoderActor"], signal.SIGSTOP)  # so that the others die amid their work
        daemon.wait_for("models loaded")
        time.sleep(1.0)
        for kind in KINDS:
            send_signal(pids[kind], signal.SIGKILL)
        daemon.wait_for("stream finished")

        wait_until(lambda: "StreamActor" not in actors(daemon.process.pid))
        shutil.copy(tmp_path / "video.mp4", tmp_path / "inbox" / "late.mp4")
        pids = wait_for_actor(daemon.process.pid, "StreamActor")
        send_signal(pids["EncoderActor"], signal.SIGSTOP)
        time.sleep(2.0)  # the stream has begun, and gets no further
        for kind in KINDS:
            send_signal(pids[kind], signal.SIGSTOP)
        deadline = time.monotonic() + 180
        while daemon.log().count("stream finished") < 2:
            assert time.monotonic() < deadline, daemon.log()
            time.sleep(0.2)
        wait_until(lambda: not any(map(is_stopped, pids.values())))  # they cannot come back and publish once more
        assert daemon.log().count("service hangs and is replaced") == 3

        pids = wait_for_actor(daemon.process.pid, "StreamActor")  # it waits for the next upload, and reads junk as well
        for name in ("x.mp4", "y.mp4"):
            (tmp_path / "inbox" / name).write_text("no video at all")
        wait_until(lambda: len(list((tmp_path / "done" / "failed").glob("*.mp4"))) == 2, 30)
        assert actors(daemon.process.pid)["StreamActor"] == pids["StreamActor"]
        assert daemon.end() == 0
        for line in daemon.log().splitlines():
            assert isinstance(json.loads(line), dict)  # also those about actors that died
    assert facts(tmp_path) == calm


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.timeout(400)
def test_the_daemon_is_killed_and_started_again_and_ends_in_time_though_everything_hangs(
    calm: Facts, tmp_path: Path
) -> None:
    config = prepare(tmp_path, "ray")
    with running(config, tmp_path) as daemon:
        wait_for_actor(daemon.process.pid, "StreamActor", 120)
        family = psutil.Process(daemon.process.pid).children(recursive=True)
        daemon.process.kill()
        daemon.process.wait()
    with running(config, tmp_path) as daemon:  # at once: what is left of the first one must not be in its way
        daemon.wait_for("stream finished")
        assert not left(family)
        for pid in actors(daemon.process.pid).values():
            send_signal(pid, signal.SIGSTOP)
        family = psutil.Process(daemon.process.pid).children(recursive=True)
        began = time.monotonic()
        code = daemon.end()
        assert time.monotonic() - began <= 10.0, daemon.log()
        assert code in (0, ExitCode.UNREACHABLE, -signal.SIGALRM), daemon.log()  # on a busy machine the kernel ends it
        wait_until(lambda: not left(family))
    assert facts(tmp_path) == [e for e in calm if e[0] == "good"]
