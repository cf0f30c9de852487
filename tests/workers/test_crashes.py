"""Killed at every call that matters, the power lost too: nothing promised is lost, nothing half is read."""

import json
from pathlib import Path

import pytest
from crash_points import Crash, crashes
from fake_clock import FakeClock
from PIL import Image
from publish_kit import make_event
from structlog.testing import capture_logs

from alignment.budget import Budget
from daemon.privacy.uploads import UploadRecords, WatchedUpload
from workers.budget_store import BudgetStore, Keys
from workers.publish.spool import Spool
from workers.types import EventSpec, ModelInfo
from workers.watch import Watch

MODEL = ModelInfo("lite/x@1", "lite", "x", "1", 4, "MIT", "cpu", 1.0)
CAT = EventSpec("cat", ("a cat",), max_false_alerts_per_hour=1.0)


def told(crash: Crash, word: str) -> list[int]:
    return [int(t.split()[1]) for t in crash.told if t.split()[0] == word]


def test_the_spool_loses_nothing_that_it_took(tmp_path: Path) -> None:
    writer = """
    from publish_kit import make_event
    from workers.publish.spool import Spool

    def write(disk, tell):
        spool = Spool(disk / "state" / "spool", segment_bytes=1500)
        for number in range(1, 7):
            spool.append([make_event(number)])
            tell(f"took {number}")
            if number % 3 == 0:
                tell(f"published {number - 1}")
                spool.ack(number - 1)
    """
    seen = set()
    for crash in crashes(tmp_path, writer):
        spool = Spool(crash.disk / "state" / "spool")
        waiting = [r.event for r in spool.pending(99)]
        numbers = [int(e.id[:4], 16) for e in waiting]
        took, published = told(crash, "took"), max(told(crash, "published"), default=0)
        assert waiting == [make_event(n) for n in numbers], crash
        assert numbers == sorted(set(numbers)), crash
        assert {n for n in took if n > published} <= set(numbers), crash
        assert set(numbers) <= {*took, len(took) + 1}, crash
        if crash.variant == "killed":
            assert spool.snapshot().damaged == 0, crash
        seen.add((crash.variant, spool.snapshot().damaged))
        spool.append([make_event(100)])
        assert [r.event for r in spool.pending(99)] == [*waiting, make_event(100)], crash
        spool.close()
    assert ("torn", 1) in seen  # or else the torn disks are not what they claim to be


def test_erasing_from_the_spool_takes_nothing_else_along(tmp_path: Path) -> None:
    writer = """
    from publish_kit import make_event
    from workers.publish.spool import Spool

    def write(disk, tell):
        spool = Spool(disk / "state" / "spool", segment_bytes=2500)
        for number in range(1, 8):
            spool.append([make_event(number)])
        tell("ready 7")
        spool.erase(lambda record: record.seq in (2, 3, 4, 7))
        tell("erased 4")
        spool.append([make_event(8)])
    """
    finished = 0
    for crash in crashes(tmp_path, writer):
        folder = crash.disk / "state" / "spool"
        if not told(crash, "ready"):
            continue
        spool = Spool(folder)
        numbers = [int(r.event.id[:4], 16) for r in spool.pending(99)]
        assert {1, 5, 6} <= set(numbers), crash
        assert numbers == sorted(set(numbers)), crash
        if told(crash, "erased"):
            finished += 1
            left = b"".join(segment.read_bytes() for segment in folder.glob("*.seg"))
            assert numbers in ([1, 5, 6], [1, 5, 6, 8]), crash
            assert not any(make_event(n).id.encode() in left for n in (2, 3, 4, 7)), crash
        spool.close()
    assert finished


def test_budgets_are_the_last_ones_saved_or_the_new_ones(tmp_path: Path) -> None:
    writer = """
    from alignment.budget import Budget
    from fake_clock import FakeClock
    from workers.budget_store import BudgetStore, Keys
    from workers.types import EventSpec, ModelInfo
    from workers.watch import Watch

    def write(disk, tell):
        model = ModelInfo("lite/x@1", "lite", "x", "1", 4, "MIT", "cpu", 1.0)
        cat = EventSpec("cat", ("a cat",), max_false_alerts_per_hour=1.0)
        budget = Budget(1.0)
        watch = Watch((), (), {"cat": budget})
        store = BudgetStore(disk / "state" / "budgets", "door", watch, Keys.of((cat,), model, "x"), FakeClock())
        for hour in range(1, 4):
            budget.observe(3600.0)
            store.save(force=True)
            tell(f"saved {hour}")
    """
    for crash in crashes(tmp_path, writer):
        budget = Budget(1.0)
        with capture_logs() as logs:
            BudgetStore(
                crash.disk / "state" / "budgets",
                "door",
                Watch((), (), {"cat": budget}),
                Keys.of((CAT,), MODEL, "x"),
                FakeClock(),
            )
        assert logs == [], crash
        last = max(told(crash, "saved"), default=0)
        assert budget.observed_hours == pytest.approx(last) or budget.observed_hours == pytest.approx(last + 1), crash


def test_pictures_that_events_name_are_there_and_whole(tmp_path: Path) -> None:
    writer = """
    import numpy as np
    from alignment.explaining import Explanation
    from alignment.types import Span
    from workers.evidence import EvidenceStore
    from workers.explain_picture import Sheet
    from workers.types import EventSpec, FrameBatch

    def write(disk, tell):
        store = EvidenceStore(disk / "state" / "evidence", "door")
        t = np.arange(30, dtype=np.float64)
        store.keep(FrameBatch("door", 0, t, t, np.random.default_rng(0).integers(0, 255, (30, 32, 32, 3), np.uint8)))
        span = Span("e", 9.5, 19.5, 0.9, False, (1.0, 0.0, 0.0), ((9.5, 0.9),), 0.5)
        sheet = Sheet("door", False, EventSpec("e", ("e",)), span, Explanation((), ((9.5, 0.9),), ((12.0, 0.8),)), ())
        for name in ("1", "2"):
            saved = store.save(name, sheet, draw=True)
            tell(f"{saved.snapshot}")
            tell(f"{saved.explanation}")
    """
    for crash in crashes(tmp_path, writer):
        evidence = crash.disk / "state" / "evidence"
        named = {evidence / "door" / Path(t).name for t in crash.told}
        there = {p for p in evidence.rglob("*") if p.is_file() and p.suffix != ".part"}
        assert named <= there, crash
        for path in there:
            with Image.open(path) as picture:
                picture.load()


def test_a_replaced_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    writer = """
    from alignment.durable import make_folder, replacing

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


def test_notes_of_uploads_are_not_lost_and_a_torn_one_spoils_no_other(tmp_path: Path) -> None:
    writer = """
    from daemon.privacy.uploads import UploadRecords, WatchedUpload

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
