"""Outages of an hour, full disks, damage and kills cost no alert, and only unanswered messages come twice."""

import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from daemon.alerts.store.database import NAME, AlertStoreError
from daemon.alerts.store.erasing import AlertEraser
from daemon.alerts.store.history import AlertQuery, AlertStore
from daemon.alerts.store.session import Session
from tests.daemon.alerts.conftest import House, SteppedClock, cat
from tests.support.clocks import wait_until
from tests.support.disks import fill
from tests.support.recorded.event_log import residue
from tests.support.serving.receivers import Receiver


def to(hook: Receiver, **settings: object) -> dict:
    return {"cooldown": 0, "targets": {"hook": {"webhook": hook.url}}, **settings}


def test_a_target_that_is_down_for_an_hour_gets_every_alert_late(house: House, hook: Receiver) -> None:
    clock = SteppedClock()
    hook.stop()
    house.start(to(hook), clock)
    house.happen(*(cat(n) for n in range(5)))
    for _ in range(60):
        tried = sum(row.attempts for row in house.rows())
        clock.ahead += 60.0
        while sum(row.attempts for row in house.rows()) <= tried:
            time.sleep(0.01)
    assert house.service
    snapshot = house.service.snapshot()
    assert snapshot
    assert snapshot.targets["hook"].oldest_s > 3500
    assert 55 <= snapshot.targets["hook"].failures <= 75  # one attempt a minute, however much waits
    hook.start()
    clock.ahead += 60.0
    house.wait_for("delivered", 5)
    assert hook.events == [cat(n).id for n in range(5)]
    assert "Delayed by 1 h" in hook.got[0].json["data"]["text"]
    assert not any(one.json["data"]["possible_duplicate"] for one in hook.got)


def test_after_the_time_for_retries_an_alert_is_a_dead_letter_that_is_kept(house: House, hook: Receiver) -> None:
    clock = SteppedClock()
    hook.mode = "503"
    house.start(to(hook, retry_for="1h"), clock)
    house.happen(cat(1))
    wait_until(lambda: bool(hook.refused))
    clock.ahead += 3601.0
    (row,) = house.wait_for("dead")
    assert "status 503" in row.error
    hook.mode = "ok"
    assert house.service
    house.service.history.replay(row, clock.wall())
    house.wait_for("delivered")
    assert hook.events == [cat(1).id]
    assert house.service.snapshot().targets["hook"].dead == 1  # type: ignore[union-attr]


def test_a_clock_that_is_set_back_delays_nothing(house: House, hook: Receiver) -> None:
    clock = SteppedClock()
    clock.ahead = 7200.0
    hook.stop()
    house.start(to(hook), clock)
    house.happen(cat(1))
    wait_until(lambda: any(row.attempts for row in house.rows()))
    assert house.service
    house.service.stop(5.0)
    clock.ahead = 0.0
    hook.start()
    house.start(to(hook), clock)
    house.wait_for("delivered")


@pytest.fixture
def small(house: House) -> Iterator[Path]:
    """The folder of alerts as a file system of its own, where the tests may mount one."""
    folder = house.layout.alerts
    folder.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_nothing_is_sent_that_a_full_disk_cannot_note_and_nothing_is_lost(
    house: House, small: Path, hook: Receiver
) -> None:
    house.start(to(hook))
    house.happen(cat(1))
    house.wait_for("delivered")
    ballast = fill(small)
    numbers = range(2, 12)
    house.happen(*(cat(n, text="x" * 5000) for n in numbers))
    wait_until(lambda: house.log.waiting("alerts").waiting >= len(numbers))
    time.sleep(0.5)
    assert len(hook.got) < 11
    ballast.unlink()
    house.wait_for("delivered", 11)
    assert hook.events == [cat(n).id for n in (1, *numbers)]
    assert not any(one.json["data"]["possible_duplicate"] for one in hook.got)


def test_what_arrived_while_the_disk_was_full_is_not_sent_twice(house: House, small: Path, hook: Receiver) -> None:
    hook.mode = "late"
    house.start(to(hook))
    house.happen(cat(1), cat(2))
    hook.wait(1)
    ballast = fill(small)
    hook.mode = "ok"
    hook.release()
    time.sleep(0.5)
    ballast.unlink()
    house.wait_for("delivered", 2)
    assert hook.events == [cat(1).id, cat(2).id]


def test_what_was_not_answered_while_the_disk_was_full_is_tried_again(
    house: House, small: Path, hook: Receiver
) -> None:
    hook.mode = "stall"
    house.start(to(hook))
    house.happen(cat(1))
    hook.wait(1)
    ballast = fill(small)
    hook.stop()  # without an answer
    time.sleep(0.5)
    hook.mode = "ok"
    hook.start()
    ballast.unlink()
    house.wait_for("delivered")
    assert hook.events == [cat(1).id] * 2
    assert hook.got[1].json["data"]["possible_duplicate"]


def test_a_damaged_outbox_is_put_aside_and_undecided_events_are_alerted(house: House, hook: Receiver) -> None:
    service = house.start(to(hook))
    house.happen(cat(1))
    house.wait_for("delivered")
    service.stop(5.0)
    path = house.layout.alerts / NAME
    path.write_bytes(b"no database" * 1000)
    house.happen(cat(2))
    house.start(to(hook))
    house.wait_for("delivered", event_id=cat(2).id)
    assert hook.events == [cat(1).id, cat(2).id]
    assert (house.layout.alerts / "damaged.db").exists()


def test_another_event_log_is_followed_from_its_beginning(house: House, hook: Receiver) -> None:
    service = house.start(to(hook))
    house.happen(*(cat(n) for n in range(9)))
    house.wait_for("delivered", 9)
    service.stop(5.0)
    house.log.close()
    shutil.rmtree(house.layout.event_log)
    house.log = type(house.log)(house.layout.event_log)
    house.start(to(hook))
    house.happen(cat(20))
    house.wait_for("delivered", event_id=cat(20).id)


def test_forgotten_events_leave_no_trace_and_are_not_sent(house: House, hook: Receiver) -> None:
    hook.stop()
    service = house.start(to(hook, group="30s"))
    house.happen(cat(1, text="wordzyx"), cat(2, text="other", camera="yard"), cat(3, text="wordzyx", event="dog"))
    house.wait_for("pending", 3)
    eraser = AlertEraser(house.layout.alerts)
    assert sorted(event.id for event in eraser.events()) == [cat(n).id for n in (1, 2, 3)]
    assert eraser.known({cat(1).id, "unknown"}) == [cat(1).id]
    eraser.erase([cat(1).id, cat(3).id])
    assert residue(house.layout.alerts, "wordzyx") == []
    assert residue(house.layout.alerts, cat(1).id) == []
    hook.start()
    service.stop(5.0)
    house.start(to(hook))
    assert [row.event_id for row in house.rows()] == [cat(2).id]


def test_alerts_past_their_retention_go_with_their_events(house: House, hook: Receiver) -> None:
    house.start(to(hook))
    house.happen(cat(1), cat(2))
    house.wait_for("delivered", 2)
    eraser = AlertEraser(house.layout.alerts)
    assert eraser.expire(time.time() - 3600) == 0
    assert eraser.expire(time.time() + 1) == 2
    assert house.rows() == []
    assert eraser.expire(time.time() + 1) == 0


CHILD = """
import sys, time
from pathlib import Path
from contextlib import ExitStack
from tests.daemon.alerts.conftest import House, SteppedClock, cat
folder, url = Path(sys.argv[1]), sys.argv[2]
with ExitStack() as stack:
    house = House(folder, stack)
    house.start({"cooldown": 0, "targets": {"hook": {"webhook": url}}})
    for n in range(400):
        house.happen(cat(n))
        print(n, flush=True)
    time.sleep(60)
"""


@pytest.mark.process
@pytest.mark.timeout(120)
def test_killed_at_any_moment_every_event_that_was_accepted_is_alerted(house: House, hook: Receiver) -> None:
    """Two kills; twice comes only what was in flight at one, and that is marked."""
    house.log.close()
    accepted = -1
    for _ in range(2):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(house.folder), hook.url], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout
        before = len(hook.got)
        for line in child.stdout:
            accepted = max(accepted, int(line))
            if len(hook.got) - before > 10:
                break
        child.kill()
        child.wait()
    house.log = type(house.log)(house.layout.event_log, wait_s=10)
    house.start(to(hook))
    wanted = {cat(n).id for n in range(accepted + 1)}
    wait_until(lambda: wanted <= set(hook.events), 60)
    house.wait_for("delivered", len(wanted))
    twice = [one for i, one in enumerate(hook.got) if one.events[0] in hook.events[:i]]
    assert len(twice) <= 2
    assert all(one.json["data"]["possible_duplicate"] for one in twice)


def test_history_of_a_folder_without_alerts_is_empty(tmp_path: Path) -> None:
    store = AlertStore(tmp_path)
    assert store.of_event("x") == []
    assert store.page(AlertQuery(), 9) == store.mutes(0.0) == []
    with pytest.raises(AlertStoreError):
        store.mute("door", "cat", 1.0)
    assert not list(tmp_path.iterdir())


def test_a_later_version_of_the_outbox_is_not_touched(house: House) -> None:
    house.layout.alerts.mkdir(parents=True)
    with closing(sqlite3.connect(house.layout.alerts / NAME)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(AlertStoreError, match="another version"):
        Session(house.layout.alerts).rows("SELECT 1")
    with pytest.raises(AlertStoreError, match="another version"):
        AlertStore(house.layout.alerts).of_event("x")
