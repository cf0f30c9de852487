"""The event log is queried from any process while its owner writes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.events import make_event, make_live
from tests.support.recorded.event_log import FixedClock, opened
from workers.publish.log.event_log import EventLog
from workers.publish.log.view import LogQuery, LogView


def seqs(records: list) -> list[int]:
    return [record.seq for record in records]


def test_a_page_is_the_last_revision_of_each_event_newest_first(tmp_path: Path) -> None:
    clock, view = FixedClock(), LogView(tmp_path)
    assert view.page(LogQuery(), 10) == view.revisions("x") == view.open_events() == list(view.all()) == []
    with opened(tmp_path, clock=clock) as (log, _):
        log.append([make_event(1), make_event(2, camera="yard")])
        clock.now += 10
        log.append([make_event(3, event="dog"), make_event(1, type="update", revision=1)])
        clock.now += 10
        log.append([make_event(4), make_event(2, camera="yard", type="end", revision=1)])
        assert seqs(view.page(LogQuery(), 10)) == [6, 5, 4, 3]
        assert seqs(view.page(LogQuery(), 2)) == [6, 5]
        assert seqs(view.page(LogQuery(), 2, before=5)) == [4, 3]
        assert seqs(view.page(LogQuery(camera="yard"), 10)) == [6]
        assert seqs(view.page(LogQuery(camera="door", event="dog"), 10)) == [3]
        assert seqs(view.page(LogQuery(since=1010.0, until=1020.0), 10)) == [4, 3]
        assert [r.event for r in view.revisions(make_event(1).id)] == [
            make_event(1),
            make_event(1, type="update", revision=1),
        ]
        assert [r.at for r in view.all()] == [1000.0] * 2 + [1010.0] * 2 + [1020.0] * 2


def test_a_follower_reads_on_from_a_sequence_number(tmp_path: Path) -> None:
    view = LogView(tmp_path)
    assert (view.after(0, 10), view.last()) == ([], 0)
    with opened(tmp_path) as (log, redis):
        log.append([make_event(n) for n in range(4)])
        assert seqs(view.after(0, 3)) == [1, 2, 3]
        assert seqs(view.after(3, 3)) == [4]
        redis.acknowledge(4)
        log.erase(frozenset(make_event(n).id for n in range(4)))
        assert (view.after(0, 10), view.last()) == ([], 4)  # the numbers go on behind what was erased


def test_open_events_are_those_without_an_end(tmp_path: Path) -> None:
    with opened(tmp_path) as (log, _):
        log.append([make_live(1), make_live(2), make_event(3)])
        log.append([make_live(1, type="update", revision=1), make_live(2, type="end", revision=1)])
        log.append([make_live(2, type="update", revision=2)])
        assert [(r.event.id, r.event.revision) for r in LogView(tmp_path).open_events()] == [(make_live(1).id, 1)]


@pytest.mark.process
def test_another_process_reads_while_the_log_is_written_to(tmp_path: Path) -> None:
    code = f"""
        from pathlib import Path
        from workers.publish.log.view import LogView, LogQuery
        view, last = LogView(Path({str(tmp_path)!r})), 0
        while last < 200:
            numbers = [r.seq for r in view.all()]
            assert numbers == list(range(1, len(numbers) + 1)), numbers
            assert len(numbers) >= last
            last = len(numbers)
        print(last)
    """
    log = EventLog(tmp_path)
    log.append([make_event(1)])
    script = "\n".join(line[8:] for line in code.splitlines())
    reader = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    for number in range(2, 201):
        log.append([make_event(number)])
    out, _ = reader.communicate(timeout=120)
    log.close()
    assert (out.strip(), reader.returncode) == ("200", 0)
