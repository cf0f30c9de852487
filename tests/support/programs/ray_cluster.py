"""Ray clusters as an operator starts them: a node on this machine, and a second one in a network namespace.

The second machine shares no folder of the test with the first one, but it shares ``/tmp/ray``: there both nodes read
the output of all workers.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.serving.network import Link, bad_network
from tests.support.serving.servers import closed_port

RAY = str(Path(sys.executable).parent / "ray")
OPTIONS = ("--block", "--num-cpus=4", "--disable-usage-stats", "--min-worker-port=0", "--max-worker-port=0")
START_S, STOP_S = 60.0, 30.0
ENVIRONMENT = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a token of the tests, which is no secret"}


@dataclass(frozen=True)
class Cluster:
    """Two machines: this one, where the head is, and the far one."""

    address: str
    link: Link
    _far: subprocess.Popen[bytes]

    def far_pids(self) -> set[int]:
        """Return the processes of the far machine."""
        listed = subprocess.run(
            ["ip", "netns", "pids", self.link.namespace], capture_output=True, text=True, check=True
        )
        return set(map(int, listed.stdout.split()))

    def far_files(self, folder: Path) -> list[Path]:
        """Return what lies in a folder of the far machine."""
        there = Path(f"/proc/{self._far.pid}/root{folder}")
        return [path.relative_to(there) for path in there.rglob("*")]

    def kill_far(self) -> None:
        """End the far machine at once."""
        for pid in self.far_pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def head(log: Path, host: str = "127.0.0.1") -> Iterator[str]:
    """Run the first node of a cluster; yield the cluster's address."""
    port = closed_port()
    options = ("--head", f"--port={port}", "--include-dashboard=false", f"--node-ip-address={host}", *OPTIONS)
    with _node((RAY, "start", *options), log):
        yield f"{host}:{port}"


@contextmanager
def two_machines(folder: Path, log: Path) -> Iterator[Cluster]:
    """Run a cluster of two nodes; on the far machine ``folder`` is another one, which is empty."""
    with ExitStack() as undo:
        link = undo.enter_context(bad_network())
        address = undo.enter_context(head(log / "head.log", link.here))
        start = f"{RAY} start --address={address} --node-ip-address={link.host} {' '.join(OPTIONS)}"
        command = link.command("sh", "-c", f"mount -t tmpfs none {folder} && exec {start}")
        far = undo.enter_context(_node(command, log / "far.log"))
        cluster = Cluster(address, link, far)
        undo.callback(cluster.kill_far)
        yield cluster


@contextmanager
def _node(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a node until the block ends."""
    with log.open("w") as out:
        node = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **ENVIRONMENT})
    try:
        deadline = time.monotonic() + START_S
        while "Ray runtime started" not in log.read_text():
            assert node.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield node
    finally:
        node.terminate()
        try:
            node.wait(STOP_S)
        finally:
            node.kill()
