"""Whatever happens to Redis: what was published is there once, in order, and soon after the server is back."""

import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import wait_until
from tests.support.events import make_event
from tests.support.serving.faults import FAULTS, HARMLESS, Fault, Stage, answer_lost, restarted_empty, silent
from tests.support.serving.redis import BINARIES, Server, ids_in, settings_of
from workers.publish.log.event_log import EventLog
from workers.publish.redis.client import RedisSettings
from workers.publish.redis.sink import CLOSE_S, LONGEST_WAIT_S, RedisSink
from workers.redaction import RedactedUrl

pytestmark = pytest.mark.realtime

OUTAGE_S = 0.8
EVENTS = 60


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    built = Stage.build(BINARIES["debian-redis"] or BINARIES["valkey"] or "", tmp_path, OUTAGE_S)
    yield built
    built.close()


def sink_to(url: str, log: Path, timeout_s: float = 0.3) -> RedisSink:
    settings = RedisSettings(RedactedUrl(url), timeout_s=timeout_s)
    return RedisSink(settings, EventLog(log), backoff_s=(0.01, 0.1))


def life(number: int) -> list:
    """An event from beginning to end."""
    return [make_event(number), make_event(number, type="end", revision=1, end=9.0)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_each_revision_is_published_once_in_order(fault: Fault, stage: Stage, tmp_path: Path) -> None:
    rng = random.Random(fault.__name__)
    begins = rng.randrange(10, EVENTS - 10)
    sink = sink_to(stage.proxy.url, tmp_path / "log")
    for number in range(begins):
        sink.publish(life(number))
    if fault is restarted_empty:  # what the old server took is gone with it: only what waits can be oracle
        assert sink.flush(5)
    with fault(stage):
        until = time.monotonic() + OUTAGE_S
        for number in range(begins, EVENTS):
            sink.publish(life(number))
            time.sleep(rng.random() * 0.01)
        if fault not in HARMLESS:
            wait_until(lambda: sink.snapshot().last_error is not None)
            time.sleep(max(0.0, until - time.monotonic()))
            assert sink.snapshot().waiting
    assert sink.flush(10), sink.snapshot()
    first = begins if fault is restarted_empty else 0
    assert ids_in(stage.server) == [(e.id, e.revision) for n in range(first, EVENTS) for e in life(n)]
    sink.close()


def test_a_lost_answer_is_recognised(stage: Stage, tmp_path: Path) -> None:
    sink = sink_to(stage.proxy.url, tmp_path / "log")
    with answer_lost(stage):
        sink.publish(life(1))
    assert sink.flush(5)
    state = sink.snapshot()
    assert (stage.proxy.swallowed, state.retries, state.duplicates, state.published) == (1, 1, 2, 0)
    sink.close()


def test_a_name_that_moves_is_looked_up_again(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two servers on one port of two addresses; the name's address changes when the first one dies."""
    address, resolve = ["127.0.0.1"], socket.getaddrinfo

    def lookup(host: str, *rest: object, **options: Any) -> object:
        return resolve(address[0] if host == "redis.test" else host, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    (tmp_path / "moved").mkdir()
    options = ("--bind", "127.0.0.2", "--protected-mode", "no")
    moved = Server(stage.binary, tmp_path / "moved", *options, port=stage.server.port, host="127.0.0.2")
    sink = sink_to(f"redis://redis.test:{stage.server.port}/0", tmp_path / "log")
    sink.publish(life(1))
    assert sink.flush(5)
    stage.server.kill()
    sink.publish(life(2))
    wait_until(lambda: sink.snapshot().last_error is not None)
    try:
        moved.start()
        address[0] = "127.0.0.2"
        assert sink.flush(5), sink.snapshot()
        assert ids_in(moved) == [(e.id, e.revision) for e in life(2)]
    finally:
        sink.close()
        moved.kill()


def test_the_longest_wait_leaves_room_for_a_time_limit_within_fifteen_seconds() -> None:
    timeout_s = RedisSettings(RedactedUrl("redis://h")).timeout_s
    assert LONGEST_WAIT_S + timeout_s <= 10


def test_closing_does_not_wait_for_a_silent_server(stage: Stage, tmp_path: Path) -> None:
    sink = sink_to(stage.proxy.url, tmp_path / "log", timeout_s=5.0)
    sink.publish(life(1))
    assert sink.flush(5)
    with silent(stage):
        sink.publish(life(2))
        time.sleep(0.1)  # the call is under way
        began = time.monotonic()
        sink.close()
        assert time.monotonic() - began < CLOSE_S + 0.5
        # Its answer still comes, to a sink that owns the event log no longer.
        successor = RedisSink(settings_of(stage.proxy.url), EventLog(tmp_path / "log"), backoff_s=(0.01, 0.1))
        successor.publish(life(3))
    assert successor.flush(10)
    assert ids_in(stage.server) == [(e.id, e.revision) for n in (1, 2, 3) for e in life(n)]
    successor.close()
