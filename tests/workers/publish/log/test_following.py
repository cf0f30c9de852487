"""A reader beside the log's owner: what it has read once, it reads again only where it was not done with it."""

import shutil
import threading
from pathlib import Path

from tests.support.events import make_event
from tests.support.recorded.event_log import FixedClock, events
from workers.publish.log.event_log import EventLog
from workers.publish.log.following import ACKNOWLEDGE_S, LogFollower


def follower(log: EventLog, folder: Path, clock: FixedClock, kept: list[int]) -> LogFollower:
    def follow(name: str) -> int:
        log.reader(name, start="end")
        return log.position(name)

    def acknowledge(name: str, up_to: int) -> None:
        log.reader(name).acknowledge(up_to)

    return LogFollower(folder, "mine", follow, acknowledge, clock, kept.append)


def numbers(reader: LogFollower) -> list[str]:
    records = reader.batch()
    reader.passed(records)
    return [record.event.id for record in records]


def test_what_is_not_done_is_read_again_after_a_crash(tmp_path: Path) -> None:
    clock, kept = FixedClock(), list[int]()
    log = EventLog(tmp_path, clock=clock)
    log.append(events(0))
    reader = follower(log, tmp_path, clock, kept)
    reader.begin()
    assert numbers(reader) == []  # what was there before
    log.append(events(1, 2, 3))
    assert len(reader.batch(2)) == len(reader.batch(2)) == 2
    assert len(numbers(reader)) == 3
    assert not reader.let_go(done=2)
    log.append(events(4))
    numbers(reader)
    assert not reader.let_go()  # too soon: the owner is told now and then
    log.close()
    log = EventLog(tmp_path, clock=clock)
    again = follower(log, tmp_path, clock, kept)
    again.begin()
    assert numbers(again) == [make_event(n).id for n in (2, 3, 4)]
    clock.now += ACKNOWLEDGE_S
    assert not again.let_go()
    assert (log.position("mine"), kept) == (5, [4, 5])
    log.close()


def test_another_log_is_read_from_its_beginning(tmp_path: Path) -> None:
    clock, kept = FixedClock(), list[int]()
    log = EventLog(tmp_path / "log", clock=clock)
    reader = follower(log, tmp_path / "log", clock, kept)
    reader.begin(lambda acknowledged: acknowledged)
    log.append(events(1, 2, 3))
    assert len(numbers(reader)) == 3
    log.close()
    shutil.rmtree(tmp_path / "log")
    log = EventLog(tmp_path / "log", clock=clock)
    log.append(events(9))
    assert reader.let_go()
    assert numbers(reader) == [make_event(9).id]
    assert kept == [0]
    log.close()


def test_a_write_ends_the_wait(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    reader = follower(log, tmp_path, FixedClock(), [])
    before = reader.view.stamp()
    threading.Timer(0.1, log.append, [events(1)]).start()
    reader.wait(before, threading.Event())  # the clock stands still: without the write for ever
    assert reader.view.stamp() != before
    log.close()
