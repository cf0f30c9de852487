"""Killed at every call that matters, the power lost too: nothing promised is lost, nothing half is read."""

import json
from pathlib import Path

import pytest
from PIL import Image
from structlog.testing import capture_logs

from alignment.spans.budget import Budget
from daemon.privacy.stores.uploads import UploadRecords, WatchedUpload
from tests.support.clocks import FakeClock
from tests.support.disks import Crash, crashes
from tests.support.events import make_event
from tests.support.streams.pipelines import ColourEncoder
from workers.decisions.budgets.look_alikes import LookAlikes
from workers.decisions.budgets.store import BudgetKeys, BudgetStore
from workers.decisions.rules import RuleSet
from workers.publish.log.event_log import EventLog
from workers.services.state import StateService
from workers.types import EventSpec

pytestmark = pytest.mark.process

CAT = EventSpec("cat", ("a cat",), max_false_alerts_per_hour=1.0)


def told(crash: Crash, word: str) -> list[int]:
    return [int(t.split()[1]) for t in crash.told if t.split()[0] == word]


def test_the_event_log_loses_nothing_that_it_took(tmp_path: Path) -> None:
    writer = """
    from tests.support.events import make_event
    from workers.publish.log.event_log import EventLog

    def write(disk, tell):
        log = EventLog(disk / "state" / "events")
        reader = log.reader("redis")
        for number in range(1, 7):
            log.append([make_event(number)])
            tell(f"took {number}")
            if number % 3 == 0:
                tell(f"published {number - 1}")
                reader.acknowledge(number - 1)
    """
    seen = set()
    for crash in crashes(tmp_path, writer, writes=True):
        log = EventLog(crash.disk / "state" / "events")
        reader = log.reader("redis")
        waiting = [r.event for r in reader.next(99)]
        numbers = [int(e.id[:4], 16) for e in waiting]
        took, published = told(crash, "took"), max(told(crash, "published"), default=0)
        assert waiting == [make_event(n) for n in numbers], crash
        assert numbers == sorted(set(numbers)), crash
        assert {n for n in took if n > published} <= set(numbers), crash
        assert set(numbers) <= {*took, len(took) + 1}, crash
        if crash.variant == "killed" or took:
            assert log.snapshot().damaged == 0, crash  # a torn end of its write-ahead log is none to SQLite
        seen.add((crash.variant, len(took) - len(numbers) < 1))
        log.append([make_event(100)])
        assert [r.event for r in reader.next(99)] == [*waiting, make_event(100)], crash
        log.close()
    assert {variant for variant, _ in seen} == {"killed", "unsynced", "torn"}


def test_a_batch_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    writer = """
    from tests.support.events import make_event
    from workers.publish.log.event_log import EventLog

    def write(disk, tell):
        log = EventLog(disk / "state" / "events")
        tell("took 0")
        log.append([make_event(number) for number in range(1, 6)])
        tell("took 5")
    """
    found = set()
    for crash in crashes(tmp_path, writer, writes=True):
        if told(crash, "took"):
            log = EventLog(crash.disk / "state" / "events")
            numbers = [int(r.event.id[:4], 16) for r in log.reader("redis").next(99)]
            assert numbers in ([], [1, 2, 3, 4, 5]), crash
            found.add((len(numbers), max(told(crash, "took"))))
            log.close()
    assert {(0, 0), (5, 5)} >= found - {(5, 0)}, "killed between the sync and the promise"


def test_erasing_from_the_event_log_takes_nothing_else_along(tmp_path: Path) -> None:
    writer = """
    from tests.support.events import make_event
    from workers.publish.log.event_log import EventLog

    def write(disk, tell):
        log = EventLog(disk / "state" / "events")
        for number in range(1, 8):
            log.append([make_event(number)])
        tell("ready 7")
        log.erase(frozenset(make_event(number).id for number in (2, 3, 4, 7)))
        tell("erased 4")
        log.append([make_event(8)])
        log.close()
        tell("closed 0")
    """
    finished = 0
    for crash in crashes(tmp_path, writer):
        folder = crash.disk / "state" / "events"
        if not told(crash, "ready"):
            continue
        log = EventLog(folder)
        numbers = [int(r.event.id[:4], 16) for r in log.reader("redis").next(99)]
        assert {1, 5, 6} <= set(numbers), crash
        assert numbers == sorted(set(numbers)), crash
        if told(crash, "erased"):
            finished += 1
            left = b"".join(file.read_bytes() for file in folder.iterdir())
            assert numbers in ([1, 5, 6], [1, 5, 6, 8]), crash
            assert not any(make_event(n).id.encode() in left for n in (2, 3, 4, 7)), crash
        log.close()
    assert finished


@pytest.mark.long
def test_budgets_are_the_last_ones_saved_or_the_new_ones(tmp_path: Path) -> None:
    writer = """
    from alignment.spans.budget import Budget
    from tests.support.clocks import FakeClock
    from workers.services.state import StateService
    from workers.decisions.budgets.store import BudgetKeys, BudgetStore
    from workers.types import EventSpec
    from workers.decisions.rules import RuleSet
    from workers.decisions.budgets.look_alikes import LookAlikes
    from tests.support.streams.pipelines import ColourEncoder

    def write(disk, tell):
        cat = EventSpec("cat", ("a cat",), max_false_alerts_per_hour=1.0)
        budget = Budget(1.0)
        rules = RuleSet((), (), {"cat": budget})
        keys = BudgetKeys.of((cat,), "lite/x@1 x")
        state = StateService(budgets=disk / "state" / "budgets")
        store = BudgetStore(state, "door", rules, keys, LookAlikes(ColourEncoder()), FakeClock())
        for hour in range(1, 4):
            budget.observe(3600.0)
            store.save(force=True)
            tell(f"saved {hour}")
    """
    for crash in crashes(tmp_path, writer):
        budget = Budget(1.0)
        with capture_logs() as logs:
            BudgetStore(
                StateService(budgets=crash.disk / "state" / "budgets"),
                "door",
                RuleSet((), (), {"cat": budget}),
                BudgetKeys.of((CAT,), "lite/x@1 x"),
                LookAlikes(ColourEncoder()),
                FakeClock(),
            )
        assert logs == [], crash
        last = max(told(crash, "saved"), default=0)
        assert budget.observed_hours == pytest.approx(last) or budget.observed_hours == pytest.approx(last + 1), crash


@pytest.mark.long
def test_pictures_that_events_name_are_there_and_whole(tmp_path: Path) -> None:
    writer = """
    import numpy as np
    from alignment.aligners.explanation import Explanation
    from alignment.types import Span
    from workers.events.evidence import EvidenceStore
    from workers.events.explain_picture import ExplanationCard
    from workers.services.state import StateService
    from workers.types import EventSpec, FrameBatch

    def write(disk, tell):
        store = EvidenceStore(StateService(disk / "state" / "evidence"), "door")
        t = np.arange(30, dtype=np.float64)
        store.keep(FrameBatch("door", 0, t, t, np.random.default_rng(0).integers(0, 255, (30, 32, 32, 3), np.uint8)))
        span = Span("e", 9.5, 19.5, 0.9, False, (1.0, 0.0, 0.0), ((9.5, 0.9),), 0.5)
        why = Explanation((), ((9.5, 0.9),), ((12.0, 0.8),))
        card = ExplanationCard("door", False, EventSpec("e", ("e",)), span, why, ())
        for name in ("1", "2"):
            saved = store.save(name, card, draw=True)
            tell(f"{saved.snapshot}")
            tell(f"{saved.explanation}")
    """
    for crash in crashes(tmp_path, writer):
        evidence = crash.disk / "state" / "evidence"
        named = {evidence / t.partition("/state/evidence/")[2] for t in crash.told}
        there = {p for p in evidence.rglob("*") if p.is_file() and p.suffix != ".part"}
        assert named <= there, crash
        for path in there:
            with Image.open(path) as picture:
                picture.load()


def test_a_replaced_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    writer = """
    from alignment.file_io import make_folder, replacing

    def write(disk, tell):
        make_folder(disk / "a" / "b")
        for number in range(3):
            with replacing(disk / "a" / "b" / "file.json") as part:
                part.write_text('{"number": %d}' % number)
            tell(f"wrote {number}")
    """
    for crash in crashes(tmp_path, writer):
        path, last = crash.disk / "a" / "b" / "file.json", max(told(crash, "wrote"), default=-1)
        if last >= 0 or path.exists():
            assert json.loads(path.read_text())["number"] in (last, last + 1), crash


@pytest.mark.long
def test_notes_of_uploads_are_not_lost_and_a_torn_one_spoils_no_other(tmp_path: Path) -> None:
    writer = """
    from daemon.privacy.stores.uploads import UploadRecords, WatchedUpload

    def write(disk, tell):
        records = UploadRecords(disk / "uploads.jsonl")
        for number in range(1, 5):
            records.note(WatchedUpload(f"in/{number}.mp4", number, None))
            tell(f"began {number}")
            records.note(WatchedUpload(f"done/{number}.mp4", number, number + 0.5))
            tell(f"ended {number}")
    """
    torn = 0
    for crash in crashes(tmp_path, writer):
        path = crash.disk / "uploads.jsonl"
        torn += path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
        records = UploadRecords(path)
        records.note(WatchedUpload("done/9.mp4", 9.0, 9.5))
        noted = {u.file: u for u in records.all()}
        began, ended = told(crash, "began"), told(crash, "ended")
        assert {f"done/{n}.mp4" for n in (*ended, 9)} <= set(noted), crash
        assert not {f"in/{n}.mp4" for n in ended} & set(noted), crash
        for n in set(began) - set(ended):
            assert {f"in/{n}.mp4", f"done/{n}.mp4"} & set(noted), crash
    assert torn
