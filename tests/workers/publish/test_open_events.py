"""What a stream that died left open is ended by whoever comes next, once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from publish_kit import Server, make_event, make_live, settings_of, validate_body

from workers.errors import SpoolError
from workers.publish.open_events import OpenEvents
from workers.publish.redis_stream import RedisSink
from workers.publish.spool import Spool


def entries(server: Server) -> list[tuple[str, str, str]]:
    return [(v["id"], v["revision"], v["type"]) for _, v in server.client.xrange("watchword:events")]


def test_the_next_start_ends_what_was_left_open_once(start_server: Callable[[], Server], tmp_path: Path) -> None:
    server = start_server()
    first, second = make_live(1), make_live(2, camera="yard")
    over = [make_live(3), make_live(3, type="end", revision=1)]
    sink = RedisSink(settings_of(server.url), Spool(tmp_path))
    sink.publish([first, make_live(1, type="update", revision=1), second, *over, make_event(4)])
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
    assert OpenEvents(path).ends(None, 0.0) == ()
    assert "cannot be read" in capsys.readouterr().out


def test_an_event_that_cannot_be_remembered_is_refused(tmp_path: Path) -> None:
    kept = OpenEvents(tmp_path / "gone" / "open.json")
    with pytest.raises(SpoolError, match="open events cannot be kept"):
        kept.publishing([make_live(1)])


def test_the_list_survives_its_process(tmp_path: Path) -> None:
    kept: Any = OpenEvents(tmp_path / "open.json")
    kept.publishing([make_live(1), make_live(2)])
    kept.published([make_live(1, type="end", revision=1)])
    assert [e.id for e in OpenEvents(tmp_path / "open.json").ends("door", 0.0)] == [make_live(2).id]


def test_erasing_also_takes_what_has_ended_and_could_not_be_struck_off(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    kept = OpenEvents(folder / "open.json")
    kept.publishing([make_live(1)])
    folder.rename(tmp_path / "gone")  # as when a disk goes away
    kept.published([make_live(1, type="end", revision=1)])
    (tmp_path / "gone").rename(folder)
    assert make_live(1).id in (folder / "open.json").read_text()
    kept.erase({make_live(1).id})
    assert make_live(1).id not in (folder / "open.json").read_text()
