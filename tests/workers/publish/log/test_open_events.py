"""What a stream that died left open is ended by whoever comes next, once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.events import make_event, make_live, validate_body
from tests.support.recorded.event_log import opened, residue
from tests.support.serving.redis import Server, settings_of
from workers.errors import EventLogError
from workers.publish.log.event_log import EventLog
from workers.publish.log.view import LogView
from workers.publish.redis.sink import RedisSink


def entries(server: Server) -> list[tuple[str, str, str]]:
    return [(v["id"], v["revision"], v["type"]) for _, v in server.client.xrange("watchword:events")]


def test_the_next_start_ends_what_was_left_open_once(start_server: Callable[[], Server], tmp_path: Path) -> None:
    server = start_server()
    first, second = make_live(1), make_live(2, camera="yard")
    over = [make_live(3), make_live(3, type="end", revision=1)]
    sink = RedisSink(settings_of(server.url), EventLog(tmp_path))
    sink.publish([first, make_live(1, type="update", revision=1), second, *over, make_event(4)])
    sink.close()  # without an end of 1 and 2; 4 is of a file, which is watched again

    sink = RedisSink(settings_of(server.url), EventLog(tmp_path))
    (end,) = sink.end_open("door")
    assert (end.id, end.revision, end.type, end.end) == (first.id, 2, "end", first.end)
    assert end.interrupted is True
    validate_body(end.to_document())
    assert [e.id for e in sink.end_open()] == [second.id]
    assert sink.end_open() == ()
    assert sink.flush(5)
    sink.close()
    assert RedisSink(settings_of(server.url), EventLog(tmp_path / "other")).end_open() == ()
    assert [e for e in entries(server) if e[2] == "end"] == [
        (over[1].id, "1", "end"),
        (first.id, "2", "end"),
        (second.id, "1", "end"),
    ]


def test_an_event_that_cannot_be_kept_leaves_nothing_open(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "log")
    (tmp_path / "log").rename(tmp_path / "gone")  # as when a disk goes away
    with pytest.raises(EventLogError, match="cannot be written"):
        log.append([make_live(1)])
    (tmp_path / "gone").rename(tmp_path / "log")
    assert log.end_open() == ()
    log.close()


def test_what_is_open_survives_its_process(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, _):
        log.append([make_live(1), make_live(2)])
        log.append([make_live(1, type="end", revision=1)])
        log.append([make_live(1, type="update", revision=2)])  # a transcript came late
    assert [r.event.id for r in LogView(tmp_path).open_events()] == [make_live(2).id]
    with opened(tmp_path) as (log, _):
        assert [e.id for e in log.end_open("yard")] == []
        assert [e.id for e in log.end_open("door")] == [make_live(2).id]


def test_what_was_given_up_is_refused_also_by_the_next_process(tmp_path: Path) -> None:
    late = [make_live(1, type="update", revision=1), make_live(2), make_live(1, type="end", revision=2)]
    with opened(tmp_path) as (log, _):
        log.append([make_live(1)])
        assert len(log.end_open()) == 1
    with opened(tmp_path) as (log, reader):
        assert log.append(late) == (None, 3, None)
        assert [(r.event.id, r.event.type) for r in reader.next(9)][1:] == [
            (make_live(1).id, "end"),
            (make_live(2).id, "new"),
        ]


def test_erasing_also_takes_what_is_open(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, _):
        log.append([make_live(1), make_live(2)])
        log.append([make_live(1, type="end", revision=1)])
        assert log.erase(frozenset({make_live(1).id, make_live(2).id})) == 3
        assert residue(tmp_path, make_live(1).id) == residue(tmp_path, make_live(2).id) == []
        assert log.end_open() == ()
