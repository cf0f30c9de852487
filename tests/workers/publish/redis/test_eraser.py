"""Events taken out of the event log and of the stream: not a byte of them stays, and the others do."""

from collections.abc import Callable
from pathlib import Path

from tests.support.clocks import wait_until
from tests.support.events import make_event
from tests.support.recorded.event_log import residue
from tests.support.serving.redis import Server, ids_in, settings_of
from workers.events.event import Event
from workers.publish.log.event_log import EventLog
from workers.publish.redis.eraser import StreamEraser
from workers.publish.redis.sink import RedisSink

SECRET = "zyxwvut"


def secret(number: int, live: bool = False) -> Event:
    return make_event(number, text=SECRET, live=live)


def test_a_sink_that_waits_for_redis_does_not_publish_what_was_erased(server: Server, tmp_path: Path) -> None:
    server.kill()
    sink = RedisSink(settings_of(server.url), EventLog(tmp_path), backoff_s=(0.01, 0.05))
    sink.publish([make_event(1), secret(2, live=True)])
    assert sink.erase(frozenset({make_event(2).id})) == 1
    assert residue(tmp_path, SECRET) == []
    assert sink.end_open() == ()
    server.start()
    assert sink.flush(10)
    assert ids_in(server) == [(make_event(1).id, 0)]
    sink.close()


def test_what_was_accepted_before_a_time_is_removed_though_published(server: Server, tmp_path: Path) -> None:
    sink = RedisSink(settings_of(server.url), EventLog(tmp_path))
    sink.publish([secret(1)])
    assert sink.flush(10)
    assert residue(tmp_path, SECRET), "published, and yet on disk for queries"
    assert sink.erase(frozenset(), before_s=2e9) == 1
    assert residue(tmp_path, SECRET) == []
    sink.close()


def test_markers_tell_neither_the_event_nor_its_time(server: Server, tmp_path: Path) -> None:
    sink = RedisSink(settings_of(server.url), EventLog(tmp_path))
    event = make_event(7, start=1234567.5, end=1234599.25)
    sink.publish([event])
    assert sink.flush(10)
    keys = [k for k in server.client.scan_iter() if k != "watchword:events"]
    assert len(keys) == 1
    assert not any(told in keys[0] for told in (event.id, "1234567", "1234599", event.camera))
    sink.publish([event])
    assert sink.flush(10)
    assert len(ids_in(server)) == 1, "and still it is recognised"
    sink.close()


def test_entries_are_deleted_by_id_and_trimmed_by_time(server: Server) -> None:
    for at in (1000, 2000, 3000, 4000):
        server.client.xadd("watchword:events", {"id": str(at)}, id=f"{at}-0")
    eraser = StreamEraser(settings_of(server.url))
    eraser.delete(["3000-0", "999-0"])
    assert [v["id"] for _, v in server.client.xrange("watchword:events")] == ["1000", "2000", "4000"]
    assert eraser.trim(2.0) == 1
    assert [v["id"] for _, v in server.client.xrange("watchword:events")] == ["2000", "4000"]
    assert eraser.trim(2.0) == 0
    eraser.close()


def test_after_compacting_the_append_only_file_has_nothing_of_a_deleted_entry(
    start_server: Callable[..., Server], binary: str, tmp_path: Path
) -> None:
    plain = ("--appendonly", "yes", "--stream-node-max-entries", "1", "--rdbcompression", "no")
    server = start_server(binary, *plain)
    sink = RedisSink(settings_of(server.url), EventLog(tmp_path / "log"))
    sink.publish([make_event(1), secret(2), make_event(3)])
    assert sink.flush(10)
    sink.close()
    entry = next(e for e, v in server.client.xrange("watchword:events") if v["id"] == make_event(2).id)
    eraser, data = StreamEraser(settings_of(server.url)), tmp_path / "server0"
    eraser.delete([entry])
    assert residue(data, SECRET), "until the file is written anew"
    eraser.compact()
    wait_until(lambda: residue(data, SECRET) == [])
    assert residue(data, make_event(3).id)
    eraser.close()
