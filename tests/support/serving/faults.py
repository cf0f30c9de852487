"""Faults of a Redis server while events are published: each begins, lasts, and ends."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from tests.support.clocks import wait_until
from tests.support.serving.network import FaultProxy
from tests.support.serving.redis import Server

OPTIONS = ["--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"]


@dataclass
class Stage:
    """A server, the proxy through which it is reached, and a folder for another one."""

    binary: str
    folder: Path
    server: Server
    proxy: FaultProxy
    outage_s: float

    @classmethod
    def build(cls, binary: str, folder: Path, outage_s: float) -> "Stage":
        server = start(binary, folder / "first")
        return cls(binary, folder, server, FaultProxy(server.port), outage_s)

    def close(self) -> None:
        self.proxy.close()
        self.server.kill()


def start(binary: str, folder: Path) -> Server:
    folder.mkdir()
    return Server(binary, folder, *OPTIONS).start()


@contextmanager
def killed(stage: Stage) -> Iterator[None]:
    stage.server.kill()
    yield
    stage.server.start()


@contextmanager
def restarted_empty(stage: Stage) -> Iterator[None]:
    stage.server.kill()
    yield
    stage.server = start(stage.binary, stage.folder / "second")
    stage.proxy.target = stage.server.port


@contextmanager
def stopped(stage: Stage) -> Iterator[None]:
    os.kill(stage.server.pid, signal.SIGSTOP)
    yield
    os.kill(stage.server.pid, signal.SIGCONT)


@contextmanager
def paused(stage: Stage) -> Iterator[None]:
    stage.server.client.client_pause(int(1000 * stage.outage_s))
    yield


@contextmanager
def silent(stage: Stage) -> Iterator[None]:
    """It accepts connections and never answers."""
    stage.proxy.silent = True
    yield
    stage.proxy.silent = False


@contextmanager
def out_of_memory(stage: Stage) -> Iterator[None]:
    stage.server.client.config_set("maxmemory-policy", "noeviction")
    stage.server.client.config_set("maxmemory", 1)
    yield
    stage.server.client.config_set("maxmemory", 0)


@contextmanager
def read_only(stage: Stage) -> Iterator[None]:
    stage.server.client.replicaof("127.0.0.1", 1)  # a primary that is not there: it keeps its data
    yield
    stage.server.client.replicaof("NO", "ONE")


@contextmanager
def failed_over(stage: Stage) -> Iterator[None]:
    """The primary dies, and later its replica is there under the same address."""
    replica = start(stage.binary, stage.folder / "replica")
    replica.client.replicaof("127.0.0.1", stage.server.port)
    wait_until(lambda: replica.client.info("replication")["master_link_status"] == "up")
    stage.server.client.wait(1, 1000)
    stage.server.kill()
    yield
    replica.client.replicaof("NO", "ONE")
    stage.server, stage.proxy.target = replica, replica.port


@contextmanager
def password_changed(stage: Stage) -> Iterator[None]:
    stage.server.client.config_set("requirepass", "another")
    stage.proxy.cut()
    yield
    redis.Redis(port=stage.server.port, password="another").config_set("requirepass", "")


@contextmanager
def no_right(stage: Stage) -> Iterator[None]:
    stage.server.client.execute_command("ACL", "SETUSER", "default", "-xadd")
    yield
    stage.server.client.execute_command("ACL", "SETUSER", "default", "+xadd")


@contextmanager
def scripts_forgotten(stage: Stage) -> Iterator[None]:
    stage.server.client.script_flush()
    yield


@contextmanager
def answer_lost(stage: Stage) -> Iterator[None]:
    stage.proxy.swallow = b"EVAL"
    yield


Fault = Callable[[Stage], AbstractContextManager[None]]
FAULTS: tuple[Fault, ...] = (
    killed,
    restarted_empty,
    stopped,
    paused,
    silent,
    out_of_memory,
    read_only,
    failed_over,
    password_changed,
    no_right,
    scripts_forgotten,
    answer_lost,
)
HARMLESS: tuple[Fault, ...] = (scripts_forgotten, answer_lost)  # over before anybody can wait for them
