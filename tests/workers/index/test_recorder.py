"""The writer of the index: killed at any moment, on a full disk, and where something was forgotten."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.support.clocks import wait_until
from tests.support.recorded.index import TAPE, UPLOAD, alike, has_its_pictures, pictured, random_items
from workers.index import recorder as module
from workers.index.erasing import erase, holds
from workers.index.packing import packed, rounded, sizes
from workers.index.reader import IndexReader
from workers.index.recorder import IndexRecorder
from workers.index.records import Part, part_to_bytes
from workers.index.tables import item_spans, joined
from workers.index.types import TapeBatch, TapeInfo
from workers.items import FrameAnswer, StreamItem, Transcript

START = TAPE.recorded


def nothing_forgotten(camera: str, start: float, end: float) -> bool:
    return False


def batch(items: list[StreamItem], first: int = 0, tape: TapeInfo = TAPE, last: bool = False) -> TapeBatch:
    columns = joined([pictured(item) for item in items], sizes(tape))
    start, end = item_spans(columns)[:, 0].min(initial=1e12), item_spans(columns)[:, 1].max(initial=0)
    return TapeBatch(tape, part_to_bytes(Part(first, columns)), first, len(items), float(start), float(end), last)


def record_all(recorder: IndexRecorder, items: list[StreamItem], tape: TapeInfo = TAPE, size: int = 7) -> None:
    for first in range(0, len(items), size):
        assert recorder.record(batch(items[first : first + size], first, tape))
    assert recorder.record(batch([], len(items), tape, last=True))


KILLED = """
import sys, time
from tests.support.recorded.index import random_items
from tests.workers.index.test_recorder import batch, nothing_forgotten
from workers.index.recorder import IndexRecorder
recorder, items = IndexRecorder(__import__("pathlib").Path(sys.argv[1]), nothing_forgotten), random_items(5, 400)
for first in range(0, 400, 2):
    recorder.record(batch(items[first:first + 2], first))
    time.sleep(0.001)
    print(first + 2, flush=True)
time.sleep(60)
"""


@pytest.mark.process
def test_killed_while_it_writes_it_loses_at_most_the_latest_and_says_so(tmp_path: Path) -> None:
    items = random_items(5, 400)
    for number in (60, 222, 350):
        folder = tmp_path / str(number)
        program = subprocess.Popen([sys.executable, "-c", KILLED, folder], stdout=subprocess.PIPE, text=True)
        assert program.stdout is not None
        sent = next(n for line in program.stdout if (n := int(line)) >= number)
        program.send_signal(signal.SIGKILL)
        sent = max([sent, *(int(line) for line in program.stdout.read().split("\n")[:-1])])
        program.wait()
        (found,) = IndexReader(folder).shards()
        recorder = IndexRecorder(folder, nothing_forgotten)
        recorder.record(batch(items[:1], 0, replace(TAPE, camera="other")))
        recorder.close(20)
        (full,) = IndexReader(folder).shards({"cam"})
        assert (full.path.suffix, full.closed) == (".shard", False)
        assert (full.count, full.missing) == (found.count, 0)
        assert sent - 40 <= full.count <= sent + 2  # what waited in its queue is lost, not more
        assert all(map(alike, (rounded(item, TAPE) for item in items[: full.count]), full.items()))
        assert has_its_pictures(full)


def test_counters_and_what_is_written(tmp_path: Path) -> None:
    recorder, items = IndexRecorder(tmp_path, nothing_forgotten), random_items(1, 60)
    record_all(recorder, items)
    recorder.close(20)
    snapshot = recorder.snapshot()
    assert snapshot.items == {"cam": len(items)}
    assert snapshot.bytes["cam"] > 10_000
    assert (snapshot.lost, snapshot.waiting) == ({}, 0)
    (shard,) = IndexReader(tmp_path).shards()
    assert shard.closed
    assert (shard.path.stat().st_mode & 0o777, shard.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_batch_that_comes_twice_is_written_once(tmp_path: Path) -> None:
    recorder, items = IndexRecorder(tmp_path, nothing_forgotten), random_items(1, 20)
    for first in (0, 7, 7, 0, 14):
        recorder.record(batch(items[first : first + 7], first))
    recorder.close(20)
    (shard,) = IndexReader(tmp_path).shards()
    assert all(map(alike, (rounded(item, TAPE) for item in items), shard.items()))
    assert shard.count == len(items)


def test_a_batch_that_comes_again_after_a_restart_is_written_once(tmp_path: Path) -> None:
    """Ray sends again what an actor of the state that died has not responded to."""
    items = random_items(1, 20)
    for batches in ((0, 7), (7, 14)):
        recorder = IndexRecorder(tmp_path, nothing_forgotten)
        for first in batches:
            recorder.record(batch(items[first : first + 7], first))
        recorder.close(20)
    shards = list(IndexReader(tmp_path).shards())
    assert [s.info.number for s in shards] == [0, 1]
    assert all(map(alike, (rounded(item, TAPE) for item in items), (i for s in shards for i in s.items())))
    assert sum(len(list(s.items())) for s in shards) == len(items)


def test_what_a_crash_left_without_a_head_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "cam" / "1790000000000-0123456789ab-0000.open"
    left.parent.mkdir()
    left.write_bytes(b"WWIND")
    recorder = IndexRecorder(tmp_path, nothing_forgotten)
    record_all(recorder, random_items(1, 20))
    recorder.close(20)
    assert not left.exists()


def test_a_file_that_is_watched_again_replaces_what_was_stored_of_it(tmp_path: Path) -> None:
    recorder, items = IndexRecorder(tmp_path, nothing_forgotten), random_items(1, 30, 0.0, UPLOAD)
    record_all(recorder, items, UPLOAD)
    record_all(recorder, items[:10], replace(UPLOAD, key="another"))
    record_all(recorder, items[:20], replace(UPLOAD, recorded=UPLOAD.recorded + 60))
    recorder.close(20)
    assert sorted(shard.count for shard in IndexReader(tmp_path).shards()) == [10, 20]


def test_a_file_that_was_forgotten_is_not_recorded_again(tmp_path: Path) -> None:
    recorder, items = IndexRecorder(tmp_path, nothing_forgotten), random_items(1, 30, 0.0, UPLOAD)
    record_all(recorder, items, UPLOAD)
    recorder.close(20)
    (shard,) = IndexReader(tmp_path).shards()
    erase(shard.path, 0, UPLOAD.recorded + 1e9)
    recorder = IndexRecorder(tmp_path, nothing_forgotten)
    record_all(recorder, items, replace(UPLOAD, recorded=UPLOAD.recorded + 60))
    record_all(recorder, items, replace(UPLOAD, key="another"))
    recorder.close(20)
    assert [shard.info.tape.key for shard in IndexReader(tmp_path).shards()] == ["another"]
    assert recorder.snapshot().lost == {}


def test_a_full_disk_makes_a_gap_that_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items, real, full = random_items(1, 40), os.write, [False]

    def write(descriptor: int, content: bytes) -> int:
        if full[0]:
            raise OSError(28, "No space left on device")
        return real(descriptor, content)

    monkeypatch.setattr("workers.index.writer.os.write", write)
    recorder = IndexRecorder(tmp_path, nothing_forgotten)
    for first in range(0, 40, 10):
        full[0] = first == 20
        recorder.record(batch(items[first : first + 10], first))
        wait_until(partial(has_written, recorder, first + 10), 20)
    recorder.close(20)
    assert recorder.snapshot().lost == {"cam": 10}
    (shard,) = IndexReader(tmp_path).shards()
    assert (shard.count, shard.missing) == (40, 10)


def has_written(recorder: IndexRecorder, count: int) -> bool:
    return written(recorder) == count


def written(recorder: IndexRecorder) -> int:
    snapshot = recorder.snapshot()
    return snapshot.items.get("cam", 0) + snapshot.lost.get("cam", 0)


def test_too_many_waiting_batches_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 3)
    monkeypatch.setattr(IndexRecorder, "_run", lambda self: None)  # a disk that does not respond
    recorder, items = IndexRecorder(tmp_path, nothing_forgotten), random_items(1, 10)
    assert [recorder.record(batch(items[n : n + 1], n)) for n in range(5)] == [True] * 3 + [False] * 2


def test_a_shard_that_nobody_writes_to_any_more_is_made_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ABANDONED_S", "SYNC_S", "IDLE_S"):
        monkeypatch.setattr(module, name, 0.05)
    recorder = IndexRecorder(tmp_path, nothing_forgotten)
    recorder.record(batch(random_items(1, 10)))
    wait_until(lambda: [s.closed for s in IndexReader(tmp_path).shards() if s.path.suffix == ".shard"] == [False], 20)
    recorder.close(20)


def in_interval(item: StreamItem, since: float, until: float) -> bool:
    (span,) = item_spans(joined([packed(item)], sizes(TAPE)))
    return bool(span[0] <= until and span[1] >= since)


@pytest.mark.parametrize("full", [False, True], ids=["open", "full"])
def test_an_interval_is_removed_from_a_shard(tmp_path: Path, full: bool) -> None:
    items, recorder = random_items(2, 80), IndexRecorder(tmp_path, nothing_forgotten)
    since, until = START + 12.0, START + 25.0
    inside = [in_interval(item, since, until) for item in items]
    assert 10 < sum(inside) < 40
    for first in (0, 40):
        recorder.record(batch(items[first : min(first + 40, 80)], first))
    wait_until(lambda: written(recorder) == 80, 20)
    if full:
        recorder.close(20)
    (shard,) = IndexReader(tmp_path).shards()
    words = [u.text.encode() for i, gone in zip(items, inside, strict=True) if gone for u in said(i)]
    assert words
    assert holds(shard.path, since, until)
    erase(shard.path, since, until)
    assert not holds(shard.path, since, until)
    (left,) = IndexReader(tmp_path).shards()
    assert (left.count, left.missing) == (80, sum(inside))
    kept = [rounded(i, TAPE) for i, gone in zip(items[:-1], inside[:-1], strict=True) if not gone]
    assert all(map(alike, kept, left.items()))
    raw = left.path.read_bytes()
    for item, gone in zip(items, inside, strict=True):
        if isinstance(item, FrameAnswer):
            assert (packed(item)["frames"][0].tobytes() in raw) != gone
    if not full:  # the writer goes on behind it
        more = random_items(3, 5, START + 200)
        recorder.record(batch(more, 80))
        recorder.close(20)
        (now,) = IndexReader(tmp_path).shards()
        assert (now.count, now.missing) == (86, sum(inside))
    erase(left.path, 0, START + 1e6)
    assert not (full and left.path.exists())


def said(item: StreamItem):
    return item.utterances if isinstance(item, Transcript) else ()


def test_what_was_forgotten_is_not_written_later(tmp_path: Path) -> None:
    since, until = START + 12.0, START + 25.0

    def reach(camera: str, start: float, end: float) -> bool:
        return camera == "cam" and start <= until and end >= since

    recorder, items = IndexRecorder(tmp_path, reach), random_items(2, 80)
    record_all(recorder, items)
    recorder.close(20)
    (shard,) = IndexReader(tmp_path).shards()
    kept = [rounded(item, TAPE) for item in items if not in_interval(item, since, until)]
    assert len(kept) < len(items) - 10
    assert all(map(alike, kept, shard.items()))
    assert shard.missing == len(items) - len(kept)
