"""The folder of uploads: whole files only, one at a time, each moved away once."""

import os
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon.config.sections.cameras import UPLOADS as CAMERA
from daemon.observability.snapshot import LEFT_ALONE, LeftReason, UploadsSnapshot
from daemon.privacy.stores.uploads import UploadRecords, WatchedUpload
from tests.support.uploads import Inbox
from workers.decisions.snapshot import StreamState
from workers.errors import SourceInvalid, SourceNotFound
from workers.types import EventSpec


def end_all(inbox: Inbox) -> None:
    for _ in range(10):
        inbox.steps()
        for stream in inbox.streams.started:
            if stream.state.state is StreamState.RUNNING:
                stream.end()


def test_a_file_is_tagged_then_moved(inbox: Inbox) -> None:
    (inbox.inbox / "a.mp4").write_bytes(b"1")
    inbox.steps()
    assert inbox.names() == ["a.mp4"]
    assert not inbox.uploads.idle
    inbox.streams.started[0].end()
    inbox.steps()
    assert (inbox.done / "a.mp4").exists()
    assert inbox.uploads.idle
    assert inbox.uploads.failed == {}
    assert inbox.uploads.snapshot() == UploadsSnapshot(done=1)


def test_other_events_are_those_of_the_next_file(inbox: Inbox) -> None:
    for name in ("a.mp4", "b.mp4"):
        (inbox.inbox / name).write_bytes(b"1")
    inbox.steps()
    inbox.uploads.change((EventSpec("red", ("red",)),), blur_faces=True)
    inbox.streams.started[0].end()
    inbox.steps()
    first, second = (stream.camera for stream in inbox.streams.started)
    assert (first.events, first.blur_faces) == ((), False)
    assert (second.events, second.blur_faces) == (("red",), True)


def test_a_file_that_grows_is_waited_for(inbox: Inbox) -> None:
    path = inbox.inbox / "a.mp4"
    for size in range(1, 10):
        path.write_bytes(b"x" * size)
        inbox.steps(1)
    assert inbox.names() == []
    inbox.steps()
    assert inbox.names() == ["a.mp4"]


def test_a_file_is_whole_by_time_however_often_the_folder_is_looked_at(inbox: Inbox) -> None:
    path = inbox.inbox / "a.mp4"
    for size in range(1, 40):  # by a slow writer, half a second between two of its writes
        path.write_bytes(b"x" * size)
        inbox.steps(5, 0.1)
    assert inbox.names() == []
    inbox.steps(15, 0.1)
    assert inbox.names() == ["a.mp4"]


def test_a_file_that_was_changed_since_it_was_looked_at_waits_again(inbox: Inbox) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4", "d.mp4"):
        (inbox.inbox / name).write_bytes(b"1")
    inbox.steps()
    (inbox.inbox / "b.mp4").write_bytes(b"and more")
    (inbox.inbox / "c.mp4").unlink()
    (inbox.inbox / "c.mp4").symlink_to("d.mp4")
    inbox.streams.started[-1].end()
    inbox.steps(1, 0.01)
    assert inbox.names() == ["a.mp4", "d.mp4"]
    inbox.streams.started[-1].end()
    inbox.steps()
    assert inbox.names() == ["a.mp4", "d.mp4", "b.mp4"]


def test_many_short_ones_are_not_waited_for_longer_than_their_work_takes(inbox: Inbox) -> None:
    for n in range(50):
        (inbox.inbox / f"{n:02}.mp4").write_bytes(b"1")
    inbox.steps()
    began = inbox.clock.now
    for n in range(49):
        inbox.clock.now += 0.02
        inbox.streams.started[n].end()
        inbox.steps(1, inbox.uploads.pause_s)
    assert len(inbox.streams.started) == 50
    assert inbox.clock.now - began < 50 * 0.04
    inbox.clock.now += 60
    assert inbox.uploads.pause_s == 0.5


def test_one_at_a_time_in_order_and_only_videos(inbox: Inbox) -> None:
    for name in ("b.mp4", "a.mp4", "notes.txt"):
        (inbox.inbox / name).write_bytes(b"1")
    inbox.steps()
    assert inbox.names() == ["a.mp4"]
    inbox.streams.started[0].end()
    inbox.steps()
    assert inbox.names() == ["a.mp4", "b.mp4"]
    assert (inbox.inbox / "notes.txt").exists()


def test_what_cannot_be_read_is_set_aside(inbox: Inbox) -> None:
    (inbox.inbox / "a.mp4").write_bytes(b"1")
    inbox.steps()
    inbox.streams.started[0].end(SourceInvalid("no media"))
    inbox.steps()
    assert (inbox.done / "failed" / "a.mp4").exists()
    assert inbox.uploads.failed == {CAMERA: f"1 file(s), first a.mp4: {SourceInvalid('no media')}"}
    snapshot = inbox.uploads.snapshot()
    assert [name for name, error in snapshot.errors if error.startswith("no media")] == ["failed/a.mp4"]
    assert replace(snapshot, errors=()) == UploadsSnapshot(failed=1)


def test_no_file_is_overwritten(inbox: Inbox) -> None:
    for content in (b"1", b"2"):
        (inbox.inbox / "a.mp4").write_bytes(content)
        inbox.steps()
        inbox.streams.started[-1].end()
        inbox.steps()
    assert (inbox.done / "a.mp4").read_bytes() == b"1"
    assert (inbox.done / "a-1.mp4").read_bytes() == b"2"


def test_what_cannot_be_moved_away_stays_and_is_not_tagged_again(inbox: Inbox) -> None:
    inbox.done.rmdir()
    inbox.done.write_text("a file where the folder should be")
    for name in ("a.mp4", "b.mp4"):
        (inbox.inbox / name).write_bytes(b"1")
    inbox.steps()
    inbox.streams.started[0].end()
    inbox.steps()
    assert inbox.names() == ["a.mp4", "b.mp4"]
    inbox.streams.started[1].end()
    inbox.steps()
    assert (inbox.inbox / "a.mp4").exists()
    assert inbox.uploads.idle


def test_a_torn_note_spoils_no_other(tmp_path: Path) -> None:
    records = UploadRecords(tmp_path / "uploads.jsonl")
    noted = [WatchedUpload(f"{n}.mp4", 1.0 * n, 2.0 * n) for n in range(4)]
    for upload in noted[:2]:
        records.note(upload)
    os.truncate(tmp_path / "uploads.jsonl", (tmp_path / "uploads.jsonl").stat().st_size - 5)
    for upload in noted[2:]:
        records.note(upload)
    records.note(WatchedUpload("2.mp4", 7.0, 8.0))
    assert records.all() == [noted[0], WatchedUpload("2.mp4", 7.0, 8.0), noted[3]]
    assert (tmp_path / "uploads.jsonl").stat().st_mode & 0o777 == 0o600


def test_an_upload_that_is_taken_away_does_not_hold_up_the_others(inbox: Inbox) -> None:
    for name in ("a.mp4", "b.mp4"):
        (inbox.inbox / name).write_bytes(b"1")
    inbox.steps()
    (inbox.inbox / "a.mp4").unlink()
    inbox.streams.started[0].end(SourceNotFound("no such file"))
    inbox.steps()
    assert inbox.names() == ["a.mp4", "b.mp4"]
    inbox.streams.started[1].end()
    inbox.steps()
    (inbox.inbox / "a.mp4").write_bytes(b"2")  # another one by that name is a new upload
    inbox.steps()
    assert inbox.names() == ["a.mp4", "b.mp4", "a.mp4"]


@pytest.mark.parametrize("ending", ["gif", "m4a", "dav", "MP3", "264", "opus", "avif", "vob"])
def test_whatever_can_be_read_is_taken(ending: str, inbox: Inbox) -> None:
    (inbox.inbox / f"a.{ending}").write_bytes(b"1")
    inbox.steps()
    assert inbox.names() == [f"a.{ending}"]


def test_everything_else_is_left_alone_and_told_with_why(inbox: Inbox) -> None:
    inbox.done = inbox.inbox / "done"
    outside = inbox.inbox.parent / "outside"
    outside.mkdir()
    (outside / "private.mp4").write_bytes(b"private")
    for name in ("notes.txt", "clip.mp4.part", "no ending", ".hidden.mp4", "._clip.mp4", "sub/photo.jpg", "a.mp4"):
        (inbox.inbox / name).parent.mkdir(exist_ok=True)
        (inbox.inbox / name).write_bytes(b"1")
    (inbox.inbox / ".trash").mkdir()
    (inbox.inbox / ".trash" / "old.mp4").write_bytes(b"1")
    (inbox.inbox / "link.mp4").symlink_to(outside / "private.mp4")
    (inbox.inbox / "folder").symlink_to(outside)
    os.mkfifo(inbox.inbox / "pipe.mp4")
    with capture_logs() as told:
        end_all(inbox)
    assert inbox.names() == ["a.mp4"]
    reasons: dict[str, LeftReason] = {
        "notes.txt": "ending",
        "clip.mp4.part": "ending",
        "no ending": "ending",
        "sub/photo.jpg": "ending",
        ".hidden.mp4": "hidden",
        "._clip.mp4": "hidden",
        ".trash": "hidden",
        "link.mp4": "link",
        "folder": "link",
        "pipe.mp4": "special",
    }
    assert {t["file"]: t["reason"] for t in told if t["event"] == "upload left alone"} == reasons
    assert len([t for t in told if t["event"] == "upload left alone"]) == len(reasons)  # once each
    assert inbox.uploads.left_alone == {name: LEFT_ALONE[reason] for name, reason in reasons.items()}
    assert inbox.uploads.snapshot().left == {"ending": 4, "hidden": 3, "link": 2, "special": 1}
    assert inbox.uploads.idle
    (inbox.inbox / "notes.txt").unlink()
    inbox.steps()
    assert inbox.uploads.snapshot().left["ending"] == 3


def test_a_name_that_an_upload_has_only_while_it_is_written_is_not_told(inbox: Inbox) -> None:
    (inbox.inbox / "clip.mp4.part").write_bytes(b"1")
    with capture_logs() as told:
        inbox.steps(1)
        (inbox.inbox / "clip.mp4.part").rename(inbox.inbox / "clip.mp4")
        inbox.steps()
    assert inbox.names() == ["clip.mp4"]
    assert not [t for t in told if t["event"] == "upload left alone"]


def test_many_that_are_left_alone_are_told_in_few_lines(inbox: Inbox) -> None:
    for n in range(500):
        (inbox.inbox / f"{n}.txt").touch()
    with capture_logs() as told:
        inbox.steps(8)
    assert 5 < len(told) < 40
    assert next(t for t in told if t["event"] == "more uploads left alone")["files"] == 480


def test_a_second_file_of_the_longest_name_is_moved_too(inbox: Inbox) -> None:
    name = "é" * 125 + "x.mp4"
    for _ in range(2):
        (inbox.inbox / name).write_bytes(b"1")
        inbox.steps()
        inbox.streams.started[-1].end()
        inbox.steps()
    assert len(list(inbox.done.glob("*.mp4"))) == 2


def test_ten_thousand_files_at_once_are_done_in_order_within_bounds(inbox: Inbox) -> None:
    names = [f"{n:05}.mp4" for n in range(10_000)]
    for name in names:
        (inbox.inbox / name).write_bytes(b"\0")
    handles = len(list(Path("/proc/self/fd").iterdir()))
    tracemalloc.start()
    inbox.steps()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    took = []
    for _ in range(20):
        inbox.streams.started[-1].end(SourceInvalid("no media"))
        began = time.process_time()
        inbox.steps(1)
        took.append(time.process_time() - began)
        inbox.steps(1)
    assert inbox.names() == names[:21]
    assert len(list((inbox.done / "failed").iterdir())) == 20
    assert peak < 32 << 20
    assert len(list(Path("/proc/self/fd").iterdir())) <= handles + 2
    assert sorted(took)[10] < 1.0  # twice a second; it was 1.8 s
