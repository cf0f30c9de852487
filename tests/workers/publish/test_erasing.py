"""Events taken out of the spool and of the stream: not a byte of them stays, and the others do."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from publish_kit import Server, ids_in, make_event, settings_of, wait_until

from workers.publish.erasing import StreamEraser
from workers.publish.open_events import OpenEvents
from workers.publish.redis_stream import RedisSink
from workers.publish.spool import Spool
from workers.types import Event

SECRET = "zyxwvut"


def residue(folder: Path, text: str = SECRET) -> list[str]:
    return [p.name for p in folder.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]


def secret(number: int, live: bool = False) -> Event:
    event = make_event(number, text=SECRET)
    return replace(event, body=event.body | {"live": live})


@pytest.mark.parametrize("acked", [0, 3, 6])
def test_a_spool_keeps_nothing_of_what_is_erased_and_all_of_the_rest(tmp_path: Path, acked: int) -> None:
    spool = Spool(tmp_path, segment_bytes=3000)  # about two events in each
    for number in range(8):
        spool.append([secret(number) if number % 2 else make_event(number)])
    spool.ack(acked)
    on_disk = sum(SECRET.encode() in line for p in tmp_path.glob("*.seg") for line in p.read_bytes().splitlines())
    assert spool.erase(lambda r: int(r.event.id[:4], 16) % 2 == 1) == on_disk > 0
    assert residue(tmp_path) == []
    left = [make_event(n).id for n in range(0, 8, 2) if n >= acked]
    assert [r.event.id for r in spool.pending(100)] == left
    assert spool.snapshot().waiting == len(left)
    spool.append([make_event(20)])
    spool.close()
    again = Spool(tmp_path)
    assert [r.event.id for r in again.pending(100)] == [*left, make_event(20).id]
    assert again.snapshot().damaged == 0
    assert again.snapshot().bytes == sum(p.stat().st_size for p in tmp_path.glob("*.seg")) or acked
    again.close()


def test_an_emptied_spool_goes_on(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    (first,) = spool.append([secret(1)])
    assert spool.erase(lambda r: True, begun_before_s=1e9) == 0, "a young segment is not read"
    assert spool.erase(lambda r: True) == 1
    assert list(tmp_path.glob("*.seg")) == []
    (second,) = spool.append([make_event(2)])
    assert second > first
    assert [r.seq for r in spool.pending(9)] == [second]
    spool.close()


def test_damaged_lines_go_as_well(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([make_event(1), secret(2), make_event(3)])
    spool.close()
    (segment,) = tmp_path.glob("*.seg")
    segment.write_bytes(segment.read_bytes().replace(SECRET.encode(), SECRET.upper().encode()))
    spool = Spool(tmp_path)
    assert spool.erase(lambda r: False) == 1
    assert residue(tmp_path, SECRET.upper()) == []
    assert len(spool.pending(9)) == 2
    spool.close()


def test_a_sink_that_waits_for_redis_does_not_publish_what_was_erased(server: Server, tmp_path: Path) -> None:
    server.kill()
    sink = RedisSink(settings_of(server.url), Spool(tmp_path), backoff_s=(0.01, 0.05))
    sink.publish([make_event(1), secret(2, live=True)])
    assert sink.erase(frozenset({make_event(2).id})) == 1
    assert residue(tmp_path) == []
    assert OpenEvents(tmp_path / "open.json").ends(None, 0.0) == ()
    server.start()
    assert sink.flush(10)
    assert ids_in(server) == [(make_event(1).id, 0)]
    sink.close()


def test_what_was_accepted_before_a_time_is_removed_though_published(server: Server, tmp_path: Path) -> None:
    sink = RedisSink(settings_of(server.url), Spool(tmp_path))
    sink.publish([secret(1)])
    assert sink.flush(10)
    assert residue(tmp_path), "published, and yet on disk until its segment is full"
    assert sink.erase(frozenset(), before_s=2e9) == 1
    assert residue(tmp_path) == []
    sink.close()


def test_markers_tell_neither_the_event_nor_its_time(server: Server, tmp_path: Path) -> None:
    sink = RedisSink(settings_of(server.url), Spool(tmp_path))
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
    sink = RedisSink(settings_of(server.url), Spool(tmp_path / "spool"))
    sink.publish([make_event(1), secret(2), make_event(3)])
    assert sink.flush(10)
    sink.close()
    entry = next(e for e, v in server.client.xrange("watchword:events") if v["id"] == make_event(2).id)
    eraser, data = StreamEraser(settings_of(server.url)), tmp_path / "server0"
    eraser.delete([entry])
    assert residue(data), "until the file is written anew"
    eraser.compact()
    wait_until(lambda: residue(data) == [])
    assert residue(data, make_event(3).id)
    eraser.close()
