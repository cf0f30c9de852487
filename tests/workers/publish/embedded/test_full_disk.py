"""The embedded server on a disk that is really full, with everything else of the state folder: it ends, and goes on."""

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from structlog.testing import capture_logs

from tests.support.clocks import wait_until
from tests.support.disks import fill
from tests.support.events import make_event
from tests.support.serving.redis import settings_of
from workers.errors import EventLogFull
from workers.publish.embedded import server as embedded
from workers.publish.embedded.server import EmbeddedServer
from workers.publish.log.event_log import EventLog
from workers.publish.redis.sink import RedisSink

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("_RESTART_S", 0.05), ("ASK_S", 0.1)):
        monkeypatch.setattr(embedded, name, seconds)


def client_of(url: str) -> Any:
    return redis.Redis.from_url(url, decode_responses=True, retry=Retry(NoBackoff(), 0))


def sink_of(url: str, state: Path) -> RedisSink:
    return RedisSink(settings_of(url), EventLog(state / "log"), backoff_s=(0.01, 0.1))


def stored(url: str) -> list[str]:
    return [entry["id"] for _, entry in client_of(url).xrange("watchword:events")]


def ids(numbers: list[int]) -> list[str]:
    return [make_event(n).id for n in numbers]


def publish_until_refused(sink: RedisSink, numbers: range) -> list[int]:
    """Return the events that were taken."""
    for number in numbers:
        try:
            sink.publish([make_event(number)])
        except EventLogFull:
            return list(range(numbers[0], number))
        time.sleep(0.005)  # the server and the event log share what is left
    return list(numbers)


def kill(url: str) -> None:
    os.kill(int(client_of(url).info("server")["process_id"]), signal.SIGKILL)


def overcharge(url: str) -> None:
    """Let it write what the disk has no room for, which ends it."""
    client = client_of(url)
    assert client.ping()
    with suppress(redis.ConnectionError):
        assert not client.set("other", "0" * 8192)


def while_it_runs(act: Callable[[str], None], url: str) -> None:
    def acted() -> bool:
        with suppress(redis.ConnectionError):
            act(url)
            return True
        return False

    wait_until(acted)


@pytest.mark.parametrize(
    ("hole", "end"), [(0, kill), (0, overcharge), (12288, overcharge), (40960, overcharge), (102400, overcharge)]
)
def test_all_that_was_taken_is_published_once_when_there_is_room(
    small_disk: Path, hole: int, end: Callable[[str], None]
) -> None:
    with capture_logs() as logs, EmbeddedServer(small_disk) as url:
        sink = sink_of(url, small_disk)
        sink.publish([make_event(0)])
        assert sink.flush(5)
        ballast = fill(small_disk, hole)
        taken = [0, *publish_until_refused(sink, range(1, 500))]
        assert len(taken) < 500
        while_it_runs(end, url)
        time.sleep(0.4)
        while_it_runs(end, url)  # it has come back on a disk that is still full
        ballast.unlink()
        sink.publish([make_event(500)])
        assert sink.flush(20)
        assert stored(url) == ids([*taken, 500])
        while_it_runs(kill, url)  # it is still looked after
        sink.publish([make_event(501)])
        assert sink.flush(20)
        assert stored(url) == ids([*taken, 500, 501])
        sink.close()
    reasons = [line["reason"] for line in logs if "the embedded server" in line["event"]]
    assert 1 <= len(reasons) <= 4, "once for each kind of trouble"
    assert "its disk is full" in reasons[0]


def test_a_start_on_a_full_disk(small_disk: Path) -> None:
    with EmbeddedServer(small_disk) as before:
        pass
    log = EventLog(small_disk / "log")
    log.append([make_event(n) for n in range(3)])
    log.close()
    ballast = fill(small_disk)
    with capture_logs() as logs, EmbeddedServer(small_disk) as url:
        assert url == before
        assert stored(url) == []
        sink = sink_of(url, small_disk)
        assert not sink.flush(1)
        assert len([line for line in logs if line["event"] == "publishing waits"]) == 1, "whatever each try met"
        ballast.unlink()
        assert sink.flush(20)
        assert stored(url) == ids([0, 1, 2])
        sink.close()


def test_at_another_port_it_is_found_as_soon_as_there_is_room(small_disk: Path) -> None:
    with EmbeddedServer(small_disk) as before:
        pass
    ballast = fill(small_disk)
    with socket.socket() as other:
        other.bind(("127.0.0.1", urlsplit(before).port))  # of a program that took its port meanwhile
        with EmbeddedServer(small_disk) as url:
            assert client_of(url).ping()
            assert EmbeddedServer.discover(small_disk) is None
            ballast.unlink()
            wait_until(lambda: EmbeddedServer.discover(small_disk) == url)


@pytest.mark.parametrize("hole", [0, 4096, 8192])
def test_a_first_start_on_a_full_disk_waits_for_room(small_disk: Path, hole: int) -> None:
    (small_disk / "redis").mkdir()
    (small_disk / "redis" / "lock").touch()
    ballast = fill(small_disk, hole)
    with EmbeddedServer(small_disk) as url:
        ballast.unlink()
        sink = sink_of(url, small_disk)
        sink.publish([make_event(1)])
        assert sink.flush(20)
        assert stored(url) == ids([1])
        sink.close()
