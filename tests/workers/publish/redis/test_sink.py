import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import wait_until
from tests.support.events import make_event
from tests.support.serving.redis import BINARIES, Server, ids_in, settings_of
from workers.events.event import Event
from workers.publish.log.event_log import EventLog
from workers.publish.redis.client import RedisSettings, connect
from workers.publish.redis.sink import BATCH, EventScript, RedisSink
from workers.types import Receipt

Build = Callable[..., RedisSink]


@pytest.fixture
def sink_to(tmp_path: Path) -> Iterator[Build]:
    sinks: list[RedisSink] = []

    def build(server: Server, log: str = "log", **changes: Any) -> RedisSink:
        settings = settings_of(server.url, **changes)
        sinks.append(RedisSink(settings, EventLog(tmp_path / log), backoff_s=(0.01, 0.1)))
        return sinks[-1]

    yield build
    for sink in sinks:
        sink.close()


def keys(*events: Event) -> list[tuple[str, int]]:
    return [(e.id, e.revision) for e in events]


def some(count: int, first: int = 0) -> list[Event]:
    return [make_event(n) for n in range(first, first + count)]


def test_a_reader_elsewhere_is_followed_by_its_name(tmp_path: Path, server: Server, sink_to: Build) -> None:
    sink = sink_to(server)
    sink.publish(some(2))
    assert sink.flush(5)
    assert sink.follow("alerts") == 2  # it begins behind what was there
    sink.publish(some(3, first=2))
    assert sink.follow("alerts") == 2
    sink.close()
    after = sink_to(server)
    after.acknowledge("alerts", 4)  # before anybody has asked for it since the restart
    assert after.follow("alerts") == 4


def test_fields_of_an_entry(server: Server, sink_to: Build) -> None:
    sink = sink_to(server)
    event = make_event(7, type="update", revision=3, camera="Tür")
    assert sink.publish([event]) == (Receipt(event.id, 3),)
    assert sink.flush(5)
    ((_, fields),) = server.client.xrange("watchword:events")
    body = json.loads(fields.pop("body"))
    assert body == event.to_document()
    assert list(fields) == ["schema", "type", "id", "revision", "camera", "event", "start", "end", "score"]
    assert fields == {
        "schema": "1",
        "type": "update",
        "id": event.id,
        "revision": "3",
        "camera": "Tür",
        "event": "cat",
        "start": "1.5",
        "end": "4.0",
        "score": "0.875",
    }


def test_each_revision_once_in_order(server: Server, sink_to: Build) -> None:
    sink = sink_to(server)
    events = some(BATCH * 2 + 3)
    sink.publish(events)
    sink.publish([events[0], make_event(0, type="end", revision=1), events[5]])
    assert sink.flush(5)
    expected = keys(*events, make_event(0, revision=1))
    assert ids_in(server) == expected
    assert (sink.snapshot().published, sink.snapshot().duplicates) == (len(expected), 2)


def test_two_daemons_publish_the_same_events_once(server: Server, sink_to: Build) -> None:
    first, second = sink_to(server, "one"), sink_to(server, "two")
    for event in some(100):
        first.publish([event])
        second.publish([event])
    assert first.flush(5)
    assert second.flush(5)
    assert sorted(ids_in(server)) == sorted(keys(*some(100)))


def test_down_at_the_start_and_back_empty(start_server: Callable[..., Server], binary: str, sink_to: Build) -> None:
    server = start_server(binary)
    server.kill()
    sink = sink_to(server)
    sink.publish(some(3))
    assert not sink.flush(0.2)
    state = sink.snapshot()
    assert not state.connected
    assert state.spool_bytes > 0
    assert state.last_error
    assert state.last_error.startswith("redis_unreachable: Redis at redis://127.0.0.1")
    server.start()
    assert sink.flush(5)
    assert ids_in(server) == keys(*some(3))
    assert (sink.snapshot().connected, sink.snapshot().last_error) == (True, None)


def test_killed_while_publishing_and_back_with_its_data(
    start_server: Callable[..., Server], binary: str, sink_to: Build
) -> None:
    server = start_server(binary, "--appendonly", "yes", "--appendfsync", "always")
    sink = sink_to(server)
    events = some(600)
    for number, event in enumerate(events):
        sink.publish([event])
        if number in (150, 400):
            server.kill()
        if number in (250, 450):
            server.start()
    assert sink.flush(10)
    assert ids_in(server) == keys(*events)
    assert sink.snapshot().retries > 0


def test_a_new_daemon_publishes_what_the_old_one_left(server: Server, sink_to: Build) -> None:
    server.kill()
    old = sink_to(server)
    old.publish(some(5))
    old.close()
    server.start()
    new = sink_to(server)
    assert new.flush(5)
    assert ids_in(server) == keys(*some(5))


def test_out_of_memory_holds_and_goes_on(server: Server, sink_to: Build) -> None:
    sink = sink_to(server)
    sink.publish(some(2))
    assert sink.flush(5)
    server.client.config_set("maxmemory", 1)
    sink.publish(some(3, first=2))
    wait_until(lambda: (sink.snapshot().last_error or "").startswith("redis_full"))
    assert len(server.client.keys("*:id:*")) == 2  # no marker without an entry
    server.client.config_set("maxmemory", 0)
    assert sink.flush(5)
    assert ids_in(server) == keys(*some(5))
    assert sink.snapshot().duplicates == 0


def test_a_replica_is_refused_until_it_is_promoted(
    start_server: Callable[..., Server], binary: str, sink_to: Build
) -> None:
    primary, server = start_server(binary), start_server(binary)
    server.client.replicaof("127.0.0.1", primary.port)
    sink = sink_to(server)
    sink.publish(some(2))
    wait_until(lambda: (sink.snapshot().last_error or "").startswith("redis_read_only"))
    server.client.replicaof("NO", "ONE")
    assert sink.flush(5)
    assert ids_in(server) == keys(*some(2))


def test_a_server_that_stops_answering(server: Server, sink_to: Build) -> None:
    sink = sink_to(server)
    assert sink.flush(1)
    wait_until(lambda: sink.snapshot().connected)
    server.client.client_pause(1600)  # longer than the time limit: the first try is executed late, after the second
    sink.publish(some(4))
    wait_until(lambda: (sink.snapshot().last_error or "").startswith("redis_timeout"))
    assert sink.flush(5)
    assert ids_in(server) == keys(*some(4))


def test_a_forgotten_script_is_sent_again(server: Server, sink_to: Build) -> None:
    sink = sink_to(server)
    sink.publish(some(1))
    assert sink.flush(5)
    server.client.script_flush()
    sink.publish(some(1, first=1))
    assert sink.flush(5)
    assert sink.snapshot().retries == 0
    assert ids_in(server) == keys(*some(2))


def test_what_turns_out_otherwise_under_the_same_revision_is_news(server: Server) -> None:
    settings = settings_of(server.url)
    script = EventScript(connect(settings), settings)
    early = make_event(1, type="end", revision=1, end=12.0)  # a file was stopped
    later = make_event(1, type="update", revision=1, end=20.0)  # and is watched again
    assert [r.duplicate for r in script.add([early, later, later])] == [False, False, True]
    assert server.client.xlen(settings.stream) == 2


def test_an_error_halfway_keeps_order_and_is_resumed(server: Server) -> None:
    settings = settings_of(server.url)
    script = EventScript(connect(settings), settings)
    script.add(some(2))
    # The third marker cannot be read: the script ends there, and nothing behind it may be added.
    third = settings.marker(make_event(2))
    server.client.rpush(third, "not a marker")
    with pytest.raises(Exception, match="WRONGTYPE"):
        script.add(some(5))
    assert ids_in(server) == keys(*some(2))
    server.client.delete(third)
    assert [r.duplicate for r in script.add(some(5))] == [True, True, False, False, False]
    assert ids_in(server) == keys(*some(5))


def test_maxlen_and_marker_life(server: Server, sink_to: Build) -> None:
    sink = sink_to(server, maxlen=100)
    sink.publish(some(1000))
    assert sink.flush(5)
    assert 100 <= server.client.xlen("watchword:events") <= 300
    assert ids_in(server)[-1] == (make_event(999).id, 0)
    key = RedisSettings(settings_of(server.url).url).marker(make_event(999))
    assert 7 * 24 * 3600 - 60 < server.client.ttl(key) <= 7 * 24 * 3600


def test_a_stream_name_in_other_use_is_said(start_server: Callable[..., Server], sink_to: Build) -> None:
    server = start_server(BINARIES["valkey"])
    server.client.set("watchword:events", "a string")
    sink = sink_to(server)
    sink.publish(some(1))
    wait_until(lambda: sink.snapshot().last_error is not None)
    assert "redis_misused" in str(sink.snapshot().last_error)
    server.client.delete("watchword:events")
    assert sink.flush(5)
    assert ids_in(server) == keys(*some(1))  # lost, had the failed XADD left a marker behind
