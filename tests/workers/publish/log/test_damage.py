"""A damaged file is noticed, put aside, and costs no more than what cannot be read; the daemon goes on."""

import os
import random
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.disks import crashes
from tests.support.events import make_event, make_live
from tests.support.recorded.event_log import as_killed, change, events, ids, opened, residue, waiting
from workers.errors import EventLogError
from workers.publish.log.database import NAME
from workers.publish.log.event_log import EventLog
from workers.publish.log.records import checksum, to_row
from workers.publish.log.repair import ASIDE

PAGE = 4096


def filled(folder: Path, count: int = 40) -> Path:
    with opened(folder) as (log, reader):
        log.append([make_event(n, text=f"word{n:03d}") for n in range(count)])
        reader.acknowledge(5)
    return folder / NAME


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.parametrize("data", [b"", b"no database at all " * 1000, bytes(PAGE * 4)])
def test_a_file_that_is_no_database_is_put_aside(tmp_path: Path, data: bytes) -> None:
    path = filled(tmp_path)
    path.write_bytes(data)
    with capture_logs() as logs, opened(tmp_path) as (log, reader):
        assert waiting(reader) == []
        assert log.snapshot().damaged == (1 if data else 0)  # an empty file is a new one
        log.append(events(100))
        assert waiting(reader) == ids(100)
    assert len([line for line in logs if "is damaged" in line["event"]]) == (1 if data else 0)
    assert not data or (tmp_path / ASIDE).read_bytes() == data


def test_pages_that_are_overwritten_cost_what_was_in_them(tmp_path: Path) -> None:
    path, chance = filled(tmp_path / "whole"), random.Random(2)
    pages, lost = path.stat().st_size // PAGE, []
    for page in range(pages):
        folder = as_killed(tmp_path / "whole", tmp_path / f"{page}")
        overwrite(folder / NAME, page * PAGE, chance.randbytes(PAGE))
        with opened(folder) as (log, reader):
            found = waiting(reader)
            assert set(found) <= set(ids(*range(40))), page
            assert found == sorted(found), page
            assert log.snapshot().damaged or len(found) >= 35, page
            lost.append(40 - len(found))
            log.append(events(100))
            assert waiting(reader)[-1] == make_event(100).id, page
        with opened(folder) as (log, _):
            assert log.snapshot().damaged == 0, page
    assert sorted(lost)[: pages // 2] <= [9] * (pages // 2), "of most pages only their own rows are lost"


def test_damage_of_the_structure_while_running_is_repaired_at_once(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with opened(tmp_path) as (log, reader):
        offset = path.read_bytes().index(b"word039")
        overwrite(path, offset // PAGE * PAGE, b"\xff" * 8)  # the head of the page of the last row
        change(tmp_path, "UPDATE readers SET cursor = cursor + 1")  # nothing that was read before is relied upon
        log.append(events(100))
        assert log.snapshot().damaged == 1
        assert (tmp_path / ASIDE).exists()
        found = waiting(reader)
        assert found[-1] == make_event(100).id
        assert found[:-1] == ids(*range(5, 5 + len(found) - 1))
        assert reader.snapshot().waiting == len(found) >= 30


def test_erasing_reaches_the_file_that_was_put_aside(tmp_path: Path) -> None:
    path = filled(tmp_path)
    overwrite(path, path.stat().st_size - PAGE, b"\xff" * 64)
    with opened(tmp_path) as (log, _):
        assert log.snapshot().damaged
        assert (tmp_path / ASIDE).exists()
        log.erase(frozenset(ids(7)))
        assert not [p for p in tmp_path.iterdir() if p.name.startswith("damaged")]
        assert residue(tmp_path, "word007") == []


@pytest.mark.process
def test_a_crash_during_a_repair_loses_nothing_of_it(tmp_path: Path) -> None:
    path = filled(tmp_path / "disk" / "log", 12)
    overwrite(path, 24, b"\xff\xff\xff\xff")
    offset = path.read_bytes().index(b"word011")
    overwrite(path, offset // PAGE * PAGE, b"\xff" * 8)  # the head of the page of the last rows
    writer = """
    from workers.publish.log.event_log import EventLog

    def write(disk, tell):
        log = EventLog(disk / "log")
        log.reader("redis")
        tell("open")
    """
    with opened(as_killed(tmp_path / "disk" / "log", tmp_path / "once")) as (log, reader):
        expected = waiting(reader)
        assert log.snapshot().damaged
    assert 0 < len(expected) < 12
    for crash in crashes(tmp_path / "crashes", writer, tmp_path / "disk"):
        log = EventLog(crash.disk / "log")
        assert waiting(log.reader("redis")) == expected, crash
        log.close()
        assert not (crash.disk / "log" / "repaired.db").exists(), crash
    assert os.listdir(tmp_path / "crashes")


@pytest.mark.parametrize("kind", ["new", "live"])
def test_an_event_of_another_version_is_refused_at_the_start_and_never_removed(tmp_path: Path, kind: str) -> None:
    with opened(tmp_path) as (log, reader):
        log.append([make_live(1) if kind == "live" else make_event(1)])
        (record,) = reader.next(9)
        reader.acknowledge(record.seq if kind == "live" else 0)
    *head, _, _ = to_row(record)
    body = '{"format": "of tomorrow"}'
    change(tmp_path, "UPDATE events SET body = ?, checksum = ?", body, checksum((*head, body)))
    if kind == "new":
        for _ in range(2):
            with pytest.raises(EventLogError, match=r"revision 1 .+ was written by another version"), opened(tmp_path):
                pass
    else:  # it is published; only its end is missing
        with opened(tmp_path) as (log, reader):
            assert log.end_open() == ()
            log.append(events(2))
            assert waiting(reader) == ids(2)
    assert residue(tmp_path, "of tomorrow")
