import errno
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from tests.support.events import make_event
from tests.support.recorded.event_log import FixedClock, as_killed, change, events, ids, opened, waiting
from workers.errors import EventLogError, EventLogFull
from workers.publish.log.event_log import EventLog

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
CAP = 200_000  # of which the empty tables take a fifth


def fill_up(log: EventLog) -> int:
    """Append event after event until the log is full; return how many it took."""
    for number in range(1000):
        try:
            log.append(events(number))
        except EventLogFull:
            return number
    raise AssertionError("never full")


def test_keeps_order_and_content(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, reader):
        assert log.append(events(1, 2)) == (1, 2)
        assert log.append(events(3)) == (3,)
        assert [r.event for r in reader.next(10)] == events(1, 2, 3)
        assert waiting(reader) == ids(1, 2, 3)
        assert [r.seq for r in reader.next(2)] == [1, 2]


def test_survives_a_new_start_without_what_was_acknowledged(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, reader):
        log.append(events(1, 2, 3))
        reader.acknowledge(2)
    with opened(tmp_path) as (log, reader):
        assert waiting(reader) == ids(3)
        assert log.append(events(4)) == (4,)
        assert waiting(reader) == ids(3, 4)


def test_sequence_goes_on_after_everything_was_acknowledged(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, reader):
        log.append(events(1, 2))
        reader.acknowledge(2)
        assert log.erase(frozenset(ids(1, 2))) == 2
    with opened(tmp_path) as (log, reader):
        assert log.append(events(3)) == (3,)
        assert waiting(reader) == ids(3)


@pytest.mark.parametrize("kept_records", [0, 2])
def test_a_torn_end_of_the_write_ahead_log_at_many_bytes(tmp_path: Path, kept_records: int) -> None:
    with opened(tmp_path / "master") as (log, _):
        if kept_records:
            log.append(events(*range(kept_records)))
        whole_before = (tmp_path / "master" / "log.db-wal").stat().st_size
        log.append([make_event(9, text="é — 猫")])
        disk = as_killed(tmp_path / "master", tmp_path / "disk")
    data = (disk / "log.db-wal").read_bytes()
    assert len(data) > whole_before
    for cut in (*range(whole_before, len(data), 997), *range(len(data) - 3, len(data))):
        torn = as_killed(disk, tmp_path / "torn")
        (torn / "log.db-wal").write_bytes(data[:cut])
        with opened(torn) as (log, reader):
            assert waiting(reader) == ids(*range(kept_records)), cut
            assert log.snapshot().damaged == 0, cut
            log.append(events(10))
        with opened(torn) as (log, reader):
            assert waiting(reader) == ids(*range(kept_records), 10), cut
    with opened(disk) as (log, reader):
        assert waiting(reader) == ids(*range(kept_records), 9)


def test_one_flipped_byte_costs_one_event(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, _):
        log.append([make_event(n, text=f"word{n}") for n in (1, 2, 3)])
    data = (tmp_path / "log.db").read_bytes()
    assert data.count(b"word2") == 1
    (tmp_path / "log.db").write_bytes(data.replace(b"word2", b"wors2"))
    with opened(tmp_path) as (log, reader):
        assert waiting(reader) == ids(1, 3)
        assert log.snapshot().damaged == 1
        assert reader.snapshot().waiting == 2


def test_damage_while_running_is_counted_and_does_not_block(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, reader):
        log.append(events(1, 2))
        change(tmp_path, "UPDATE events SET body = replace(body, 'help', 'harm') WHERE seq = 1")
        assert waiting(reader) == ids(2)
        assert log.snapshot().damaged == 1
        assert reader.snapshot().waiting == 1


@pytest.mark.parametrize("loss", ["DELETE FROM readers", "UPDATE readers SET cursor = 0"])
def test_a_lost_cursor_only_repeats(tmp_path: Path, loss: str) -> None:
    with opened(tmp_path) as (log, reader):
        log.append(events(1, 2))
        reader.acknowledge(1)
    change(tmp_path, loss)
    with opened(tmp_path) as (log, reader):
        assert waiting(reader) == ids(1, 2)
        assert log.append(events(3)) == (3,)


def test_the_cap_refuses_counts_and_recovers(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=CAP) as (log, reader):
        taken = fill_up(log)
        with pytest.raises(EventLogFull, match="its size cap") as caught:
            log.append(events(1000))
        assert caught.value.code == "event_log_full"
        assert (tmp_path / "log.db").stat().st_size <= CAP
        assert CAP / 2 < log.snapshot().bytes < CAP
        assert waiting(reader) == ids(*range(taken)), "not one that waits makes room for another"
        reader.acknowledge(taken)
        log.append(events(2000))
        assert waiting(reader) == ids(2000)


def test_a_refused_batch_leaves_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=CAP) as (log, reader):
        with pytest.raises(EventLogFull):
            log.append(events(*range(1000)))
        assert waiting(reader) == []
        assert log.snapshot().bytes == reader.snapshot().bytes == 0
        log.append(events(1))
        assert waiting(reader) == ids(1)


@pytest.mark.process
def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    # A real limit on this process's file size makes the kernel refuse half of the write, as a full disk does.
    code = f"""
        import resource, signal, sys
        from pathlib import Path
        from tests.support.events import make_event
        from workers.errors import EventLogFull
        from workers.publish.log.event_log import EventLog
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        folder = Path({str(tmp_path)!r})
        log = EventLog(folder)
        reader = log.reader("redis")
        log.append([make_event(1)])
        size = (folder / "log.db-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1500, resource.RLIM_INFINITY))
        try:
            log.append([make_event(2), make_event(3)])
            sys.exit(3)
        except EventLogFull as error:
            assert error.code == "event_log_full", error
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        log.append([make_event(4)])
        assert [r.event.id for r in reader.next(9)] == [make_event(1).id, make_event(4).id]
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, env=ENVIRONMENT)
    with opened(tmp_path) as (log, reader):
        assert waiting(reader) == ids(1, 4)
        assert log.snapshot().damaged == 0


@pytest.mark.process
def test_kill_minus_nine_keeps_every_event_that_was_taken(tmp_path: Path) -> None:
    code = f"""
        import sys
        from pathlib import Path
        from tests.support.events import make_event
        from workers.publish.log.event_log import EventLog
        log = EventLog(Path({str(tmp_path)!r}))
        for number in range(100_000):
            log.append([make_event(number)])
            print(number, flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert process.stdout
    for line in process.stdout:
        if int(line) >= 40:
            break
    process.kill()
    told = [int(line), *map(int, process.stdout.read().split())][-1]
    process.wait()
    with opened(tmp_path) as (_, reader):
        kept = waiting(reader)
    assert kept[: told + 1] == ids(*range(told + 1))
    assert len(kept) <= told + 2


def test_an_owner_on_its_way_out_is_waited_for(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    threading.Timer(0.3, log.close).start()
    EventLog(tmp_path, wait_s=10.0).close()


def test_two_owners_are_refused(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    with pytest.raises(EventLogError, match=f"in use by process {os.getpid()}"):
        EventLog(tmp_path)
    log.close()
    EventLog(tmp_path).close()


def test_an_unusable_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EventLogError, match="cannot be opened: " + os.strerror(errno.ENOTDIR)):
        EventLog(tmp_path / "file" / "events")


def test_a_file_of_another_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    EventLog(tmp_path).close()
    before = (tmp_path / "log.db").read_bytes()
    changed = before[:60] + (99).to_bytes(4, "big") + before[64:]  # where SQLite keeps the user version
    (tmp_path / "log.db").write_bytes(changed)
    for _ in range(2):
        with pytest.raises(EventLogError, match="written by another version"):
            EventLog(tmp_path)
    assert (tmp_path / "log.db").read_bytes() == changed


def test_a_closed_log_takes_nothing_and_leaves_its_successor_alone(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    reader = log.reader("redis")
    log.append(events(1))
    log.close()
    with pytest.raises(EventLogError, match="closed"):
        log.append(events(1))
    with opened(tmp_path) as (_, successor):
        reader.acknowledge(1)
        assert reader.next(9) == []
        assert waiting(successor) == ids(1)


def test_counters(tmp_path: Path) -> None:
    clock = FixedClock()
    with opened(tmp_path, clock=clock) as (log, reader):
        log.append(events(1))
        clock.now += 7
        log.append(events(2))
        both = reader.snapshot()
        assert (both.waiting, both.oldest_s) == (2, 7.0)
        assert both.bytes == log.snapshot().bytes
        reader.acknowledge(1)
        assert reader.snapshot().oldest_s == 0.0
        assert 0 < reader.snapshot().bytes < both.bytes == log.snapshot().bytes


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_stepped_clock_changes_neither_ages_nor_order(tmp_path: Path, hours: int) -> None:
    clock = FixedClock()
    with opened(tmp_path, clock=clock) as (log, reader):
        log.append(events(1))
        clock.now += 7
        clock.stepped = 3600.0 * hours
        log.append(events(2))
        assert reader.snapshot().oldest_s == 7.0
        assert waiting(reader) == ids(1, 2)
    with opened(tmp_path, clock=clock) as (_, reader):  # of another process' past only the wall clock tells
        assert reader.snapshot().oldest_s == max(0.0, 7.0 + clock.stepped)
        assert waiting(reader) == ids(1, 2)
