"""What a stream that died left open is ended by whoever comes next, once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from publish_kit import Server, make_event, settings_of, validate_body

from workers.errors import SpoolError
from workers.publish.open_events import OpenEvents
from workers.publish.redis_stream import RedisSink
from workers.publish.spool import Spool
from workers.types import Event


def live(number: int, **changes: object) -> Event:
    event = make_event(number, **changes)
    event.body["live"] = True
    return event


def entries(server: Server) -> list[tuple[str, str, str]]:
    return [(v["id"], v["revision"], v["type"]) for _, v in server.client.xrange("watchword:events")]


def test_the_next_start_ends_what_was_left_open_once(start_server: Callable[[], Server], tmp_path: Path) -> None:
    server = start_server()
    first, second = live(1), live(2, camera="yard")
    over = [live(3), live(3, type="end", revision=1)]
    sink = RedisSink(settings_of(server.url), Spool(tmp_path))
    sink.publish([first, live(1, type="update", revision=1), second, *over, make_event(4)])
    sink.close()  # without an end of 1 and 2; 4 is of a file, which is watched again

    sink = RedisSink(settings_of(server.url), Spool(tmp_path))
    (end,) = sink.end_open("door")
    assert (end.id, end.revision, end.type, end.end) == (first.id, 2, "end", first.end)
    assert end.body["interrupted"] is True
    assert (end.body["type"], end.body["revision"]) == ("end", 2)
    validate_body(end.body)
    assert [e.id for e in sink.end_open()] == [second.id]
    assert sink.end_open() == ()
    assert sink.flush(5)
    sink.close()
    assert RedisSink(settings_of(server.url), Spool(tmp_path / "other")).end_open() == ()
    assert [e for e in entries(server) if e[2] == "end"] == [
        (over[1].id, "1", "end"),
        (first.id, "2", "end"),
        (second.id, "1", "end"),
    ]


def test_a_damaged_list_is_told_and_costs_no_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "open.json"
    path.write_text('[{"id":')
    assert OpenEvents(path).of(None) == ()
    assert "cannot be read" in capsys.readouterr().out


def test_an_event_that_cannot_be_remembered_is_refused(tmp_path: Path) -> None:
    kept = OpenEvents(tmp_path / "gone" / "open.json")
    with pytest.raises(SpoolError, match="open events cannot be kept"):
        kept.opened([live(1)])


def test_the_list_survives_its_process(tmp_path: Path) -> None:
    kept: Any = OpenEvents(tmp_path / "open.json")
    kept.opened([live(1), live(2)])
    kept.ended([live(1, type="end", revision=1)])
    assert [e.id for e in OpenEvents(tmp_path / "open.json").of("door")] == [live(2).id]
