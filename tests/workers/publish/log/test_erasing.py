"""Events taken out of the event log: not a byte of them stays, and the others do."""

import random
import re
from pathlib import Path

import pytest

from tests.support.events import make_event, make_live
from tests.support.recorded.event_log import FixedClock, change, ids, opened, residue, waiting
from workers.errors import EventLogError
from workers.events.event import Event
from workers.publish.log.database import read_only
from workers.publish.log.event_log import COMPACT_S

SECRET = "zyxwvut"


def secret(number: int) -> Event:
    return make_event(number, text=SECRET)


@pytest.mark.parametrize("acked", [0, 3, 6])
def test_nothing_of_what_is_erased_is_kept_and_all_of_the_rest(tmp_path: Path, acked: int) -> None:
    with opened(tmp_path) as (log, reader):
        for number in range(8):
            log.append([secret(number) if number % 2 else make_event(number)])
        reader.acknowledge(acked)
        assert residue(tmp_path, SECRET)
        assert log.erase(frozenset(ids(1, 3, 5, 7))) == 4
        assert residue(tmp_path, SECRET) == []
        assert not [identity for identity in ids(1, 3, 5, 7) if residue(tmp_path, identity)]
        left = ids(*(n for n in range(0, 8, 2) if n >= acked))
        assert waiting(reader) == left
        assert reader.snapshot().waiting == len(left)
        log.append([make_event(20)])
    with opened(tmp_path) as (log, reader):
        assert waiting(reader) == [*left, *ids(20)]
        assert log.snapshot().damaged == 0


def test_of_many_events_in_any_order_not_a_byte_is_left(tmp_path: Path) -> None:
    """SQLite's ``secure_delete`` alone leaves copies behind in pages that were rearranged."""
    chance, made = random.Random(1), 0
    held: dict[int, Event] = {}
    with opened(tmp_path) as (log, reader):
        for _ in range(20):
            new = range(made, made + 40)
            for n in new:
                text = f"T{n:05d}Z" * chance.choice((1, 1, 30, 300))
                held[n] = make_event(n, text=text, id=f"{chance.getrandbits(64):016x}")
            made += len(new)
            log.append([held[n] for n in new])
            gone = [held.pop(n).id for n in chance.sample(sorted(held), 25)]
            assert log.erase(frozenset(gone)) == 25
            data = b"".join(p.read_bytes() for p in tmp_path.iterdir())
            assert {int(n) for n in re.findall(rb"T(\d{5})Z", data)} == set(held)
            assert not [identity for identity in gone if identity.encode() in data]
            assert waiting(reader) == [e.id for e in held.values()]


def test_an_emptied_log_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, reader):
        (first,) = log.append([secret(1)])
        assert log.erase(frozenset(), before_s=1e9) == 0, "a young event stays"
        assert log.erase(frozenset(), before_s=4e9) == 1
        assert residue(tmp_path, SECRET) == []
        (second,) = log.append([make_event(2)])
        assert (first, second) == (1, 2)
        assert [r.seq for r in reader.next(9)] == [second]


def test_damaged_rows_go_as_well(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, _):
        log.append([make_event(1), secret(2), make_event(3)])
    change(tmp_path, "UPDATE events SET body = upper(body) WHERE seq = 2")
    with opened(tmp_path) as (log, reader):
        log.erase(frozenset(ids(9)))
        assert residue(tmp_path, SECRET.upper()) == []
        assert waiting(reader) == ids(1, 3)


def test_what_is_erased_by_its_time_is_gone_within_the_hour(tmp_path: Path) -> None:
    clock = FixedClock()
    with opened(tmp_path, clock=clock) as (log, reader):
        for number in range(6):
            log.append([make_event(number)])
            clock.now += 10
        assert log.erase(frozenset(), before_s=1015.0) == 2
        assert waiting(reader) == ids(2, 3, 4, 5)
        assert not [i for i in ids(0, 1) if residue(tmp_path, i)]
        assert log.erase(frozenset(), before_s=1025.0) == 1
        clock.now += COMPACT_S
        assert log.erase(frozenset(), before_s=1025.0) == 0
        assert residue(tmp_path, make_event(2).id) == []
        assert residue(tmp_path, make_event(3).id)


def test_a_live_event_stays_until_it_has_ended_and_its_end_as_long_as_its_beginning(tmp_path: Path) -> None:
    clock = FixedClock()
    with opened(tmp_path, clock=clock) as (log, _):
        log.append([make_live(1), make_event(2)])
        clock.now += 10
        assert log.erase(frozenset(), before_s=1005.0) == 1
        clock.stepped = -1000.0  # the clock was wrong
        log.append([make_live(1, type="end", revision=1)])
        assert log.erase(frozenset(), before_s=500.0) == 0
        assert log.end_open() == ()
        assert log.erase(frozenset(), before_s=2000.0) == 2


def test_a_file_that_is_being_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.publish.log.database.BUSY_S", 0.2)
    with opened(tmp_path) as (log, _):
        log.append([secret(1)])
        with read_only(tmp_path) as other:
            assert other
            other.execute("BEGIN")
            assert other.execute("SELECT count(*) FROM events").fetchone() == (1,)
            with pytest.raises(EventLogError, match="another process is reading it"):
                log.erase(frozenset(ids(1)))
        log.erase(frozenset(ids(1)))
        assert residue(tmp_path, SECRET) == []
