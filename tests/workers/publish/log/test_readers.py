"""Several readers of one event log: each works while any other is away, and none costs another an event."""

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.events import make_event, make_live
from tests.support.recorded.event_log import FixedClock, as_killed, events, ids, opened, residue, waiting
from workers.errors import EventLogFull
from workers.publish.log.event_log import PRUNE_S, EventLog

KEEP = 20_000  # bytes, about 20 revisions


def test_each_reader_goes_on_while_the_other_is_away(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, redis):
        alerts = log.reader("alerts")
        for number in range(300):
            log.append(events(number))
            (record,) = redis.next(9)
            assert record.event.id == make_event(number).id
            redis.acknowledge(record.seq)
        assert (redis.snapshot().waiting, alerts.snapshot().waiting) == (0, 300)
        assert waiting(alerts) == ids(*range(300))
    with opened(tmp_path) as (log, redis):
        alerts = log.reader("alerts")
        assert waiting(redis) == []
        alerts.acknowledge(alerts.next(100)[-1].seq)
        log.append(events(300))
        assert waiting(redis) == ids(300)
        assert waiting(alerts) == ids(*range(100, 301))


def test_a_new_reader_begins_where_it_says_and_an_old_one_where_it_was(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, _):
        log.append(events(1, 2))
        index, alerts = log.reader("index"), log.reader("alerts", "end")
        assert (waiting(index), waiting(alerts)) == (ids(1, 2), [])
        log.append(events(3))
    with opened(tmp_path) as (log, _):
        log.append(events(4))
        assert waiting(log.reader("alerts", "end")) == ids(3, 4)
        assert waiting(log.reader("index")) == ids(1, 2, 3, 4)
        assert waiting(log.reader("api", "end")) == []


def test_a_reader_may_wait_for_the_next_event(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, reader):
        threading.Timer(0.2, log.append, (events(1),)).start()
        assert [r.event.id for r in reader.next(9, wait_s=20.0)] == ids(1)
        reader.acknowledge(1)
        assert reader.next(9, wait_s=0.05) == []
        began = time.monotonic()
        threading.Timer(0.2, log.close).start()
        assert reader.next(9, wait_s=20.0) == []
        assert time.monotonic() - began < 10


def test_many_threads_append_and_read_at_once(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, redis):
        alerts = log.reader("alerts")
        found: dict[str, list[Any]] = {"redis": [], "alerts": []}

        def write(camera: int) -> None:
            for number in range(20):
                log.append([make_event(100 * camera + number, camera=f"c{camera}")])

        def read(name: str) -> None:
            reader = {"redis": redis, "alerts": alerts}[name]
            while len(found[name]) < 160:
                for record in reader.next(7, wait_s=5.0):
                    found[name].append(int(record.event.id[:4], 16))
                    reader.acknowledge(record.seq)

        threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
        threads += [threading.Thread(target=read, args=(name,)) for name in found]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert found["redis"] == found["alerts"]
        for camera in range(8):
            assert [n for n in found["redis"] if n // 100 == camera] == [100 * camera + n for n in range(20)]


def test_what_a_reader_has_not_read_fills_the_log_and_is_not_given_up(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=200_000) as (log, redis):
        alerts = log.reader("alerts")
        taken = 0
        with suppress(EventLogFull):
            for taken in range(1000):
                log.append(events(taken))
                redis.acknowledge(taken + 1)
        assert 20 < taken < 300
        with pytest.raises(EventLogFull):
            log.append(events(1000))
        assert waiting(redis) == []
        assert waiting(alerts) == ids(*range(taken))
        alerts.acknowledge(taken)
        log.append(events(1000))
        assert waiting(alerts) == waiting(redis) == ids(1000)


def test_a_reader_that_nobody_opens_any_more_holds_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, max_bytes=200_000) as (log, _):
        log.reader("alerts")
    with opened(tmp_path, max_bytes=200_000) as (log, redis):
        for number in range(1, 600):
            log.append(events(number))
            redis.acknowledge(number)
        alerts = log.reader("alerts")
        left = waiting(alerts)
        assert 20 < len(left) < 300
        assert left == ids(*range(600 - len(left), 600)), "it goes on with the oldest that is there"


def test_what_all_have_read_is_kept_up_to_a_size(tmp_path: Path) -> None:
    clock = FixedClock()
    with opened(tmp_path, keep_bytes=KEEP, clock=clock) as (log, reader):
        for number in range(100):
            log.append(events(number))
            clock.now += PRUNE_S
            if number != 99:
                reader.acknowledge(number)
            assert log.snapshot().bytes <= KEEP + 3000, number
        kept = log.snapshot().bytes
        assert kept > KEEP / 2 - 3000
        assert waiting(reader) == ids(98, 99)
        assert residue(tmp_path, make_event(98).id)
        assert not [n for n in range(60) if residue(tmp_path, make_event(n).id)], "rewritten, not only deleted"
        assert (tmp_path / "log.db").stat().st_size < 4 * KEEP, "space that is not used returns to the disk"


def test_what_all_have_read_is_kept_for_a_time(tmp_path: Path) -> None:
    clock = FixedClock()
    with opened(tmp_path, keep_s=7000.0, clock=clock) as (log, reader):
        log.append([make_live(0)])
        for number in range(1, 30):
            log.append(events(number))
            clock.now += 1000.0
            reader.acknowledge(number)
        there = [n for n in range(1, 30) if residue(tmp_path, make_event(n).id)]
        assert there in (list(range(22, 30)), list(range(23, 30)), list(range(21, 30)))
        assert [e.id for e in log.end_open()] == [make_live(0).id], "what is open stays"


def test_an_unread_backlog_is_not_pruned_by_age_or_size(tmp_path: Path) -> None:
    clock = FixedClock()
    with opened(tmp_path, keep_bytes=KEEP, keep_s=100.0, clock=clock) as (log, reader):
        for number in range(60):
            log.append(events(number))
            clock.now += 1000.0
        reader.acknowledge(2)
        assert waiting(reader) == ids(*range(2, 60))
        assert not residue(tmp_path, make_event(0).id)


def test_a_crash_between_reading_and_acknowledging_only_repeats(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "log")
    log.append(events(1, 2))
    redis, alerts = log.reader("redis"), log.reader("alerts")
    redis.acknowledge(redis.next(9)[-1].seq)
    assert len(alerts.next(9)) == 2
    disk = as_killed(tmp_path / "log", tmp_path / "disk")
    log.close()
    with opened(disk) as (log, redis):
        assert waiting(redis) == []
        assert waiting(log.reader("alerts")) == ids(1, 2)
