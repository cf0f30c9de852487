"""The folder of uploads: whole files only, one at a time, each moved away once."""

import os
import resource
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from structlog.testing import capture_logs

from daemon.config.sections.cameras import UPLOADS as CAMERA
from daemon.observability.snapshot import LEFT_ALONE, LeftReason, UploadsSnapshot
from daemon.offline.exports import ExportError
from daemon.privacy.stores.store import Places
from daemon.privacy.stores.uploads import UploadData, UploadRecords, WatchedUpload
from daemon.service.uploads import UploadFolder
from tests.support.uploads import Inbox
from workers.decisions.snapshot import StreamState
from workers.errors import SourceInvalid, SourceNotFound
from workers.events.erasures import Scope
from workers.state_layout import StateLayout
from workers.types import EventSpec


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path)


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


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_done_may_lie_on_another_disk(tmp_path: Path) -> None:
    with TemporaryDirectory(dir="/dev/shm") as other:
        inbox = Inbox(tmp_path, Path(other))
        (inbox.inbox / "a.mp4").write_bytes(b"1")
        inbox.steps()
        inbox.streams.started[0].end()
        inbox.steps()
        assert (Path(other) / "a.mp4").read_bytes() == b"1"


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_a_disk_that_fills_while_a_file_is_moved_leaves_no_half_and_what_lies_where_is_known(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with TemporaryDirectory(dir="/dev/shm") as other:
        inbox = Inbox(tmp_path, Path(other))
        file = inbox.inbox / "a.mp4"
        file.write_bytes(b"1" * 300_000)
        inbox.steps()
        (begun,) = inbox.records.all()
        inbox.streams.started[0].end()
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # a file cannot grow: as on a full disk
            inbox.steps()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert (list(Path(other).iterdir()), file.stat().st_size) == ([], 300_000)
        (noted,) = inbox.records.all()
        assert (noted.file, noted.since) == (str(file), begun.since)
        assert noted.until is not None
        layout = StateLayout(tmp_path)  # whose uploads.jsonl it is
        scope = Scope(CAMERA, begun.since, noted.until)
        data = UploadData(Places(layout, None, False, lambda ids, before: 0))
        assert data.items(scope, frozenset()) == [str(file)]

        again = Inbox(tmp_path, Path(other))  # the next start watches it anew: it was watched since it first began
        again.clock.now = inbox.clock.now + 1000
        again.steps()
        again.streams.started[0].end()
        again.steps()
        (moved,) = again.records.all()
        assert (moved.file, moved.since) == (str(Path(other) / "a.mp4"), begun.since)


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


def test_a_folder_that_cannot_be_made_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match=r"cannot write to .*file/done.*uploads\.done"):
        UploadFolder(tmp_path / "inbox", tmp_path / "file" / "done", (), UploadRecords(tmp_path / "uploads.jsonl"))


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


def test_links_out_of_the_folder_are_left_alone(inbox: Inbox, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "private.mp4").write_bytes(b"private")
    (inbox.inbox / "a.mp4").symlink_to(outside / "private.mp4")
    (inbox.inbox / "b.mp4").symlink_to("../outside/private.mp4")
    (inbox.inbox / "c.mp4").symlink_to("/nowhere/at/all.mp4")
    (inbox.inbox / "d.mp4").symlink_to(outside)
    os.mkfifo(inbox.inbox / "e.mp4")
    (inbox.inbox / "f.mp4").write_bytes(b"1")
    inbox.steps()
    inbox.streams.started[0].end()
    inbox.steps()
    assert inbox.names() == ["f.mp4"]
    assert inbox.uploads.idle
    assert (outside / "private.mp4").read_bytes() == b"private"


def test_a_file_that_becomes_a_link_is_not_tagged(inbox: Inbox, tmp_path: Path) -> None:
    (tmp_path / "private.mp4").write_bytes(b"1")
    (inbox.inbox / "a.mp4").write_bytes(b"1")
    inbox.steps(1)
    (inbox.inbox / "a.mp4").unlink()
    (inbox.inbox / "a.mp4").symlink_to(tmp_path / "private.mp4")
    inbox.steps()
    assert inbox.names() == []


def test_links_in_the_done_folder_lead_nowhere(inbox: Inbox, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.mp4").write_bytes(b"kept")
    (inbox.done / "a.mp4").symlink_to(outside / "kept.mp4")
    (inbox.done / "b.mp4").symlink_to(outside / "new.mp4")
    (inbox.done / "failed").symlink_to(outside)
    for name, failure in (("a.mp4", None), ("b.mp4", None), ("c.mp4", SourceInvalid("no media"))):
        (inbox.inbox / name).write_bytes(b"1")
        inbox.steps()
        inbox.streams.started[-1].end(failure)
        inbox.steps()
    assert {p.name: p.read_bytes() for p in outside.iterdir()} == {"kept.mp4": b"kept"}
    assert sorted(p.name for p in inbox.done.iterdir()) == ["a-1.mp4", "a.mp4", "b-1.mp4", "b.mp4", "failed"]
    assert inbox.uploads.idle


def end_all(inbox: Inbox) -> None:
    for _ in range(10):
        inbox.steps()
        for stream in inbox.streams.started:
            if stream.state.state is StreamState.RUNNING:
                stream.end()


def test_subfolders_are_looked_into_and_kept(inbox: Inbox) -> None:
    for name in ("b.mp4", "day 1/a.mp4", "day 1/cam/x.mkv", "day 2/a.mp4"):
        (inbox.inbox / name).parent.mkdir(parents=True, exist_ok=True)
        (inbox.inbox / name).write_bytes(name.encode())
    end_all(inbox)
    assert [str(Path(s.path).relative_to(inbox.inbox)) for s in inbox.streams.started] == [
        "b.mp4",
        "day 1/a.mp4",
        "day 1/cam/x.mkv",
        "day 2/a.mp4",
    ]
    assert {str(p.relative_to(inbox.done)) for p in inbox.done.rglob("*.m*")} == {
        "b.mp4",
        "day 1/a.mp4",
        "day 1/cam/x.mkv",
        "day 2/a.mp4",
    }
    assert inbox.uploads.idle


def test_what_cannot_be_read_in_a_subfolder_is_set_aside_with_its_place(inbox: Inbox) -> None:
    (inbox.inbox / "day").mkdir()
    (inbox.inbox / "day" / "a.mp4").write_bytes(b"1")
    inbox.steps()
    inbox.streams.started[0].end(SourceInvalid("no media"))
    inbox.steps()
    assert (inbox.done / "failed" / "day" / "a.mp4").exists()
    assert "day/a.mp4" in inbox.uploads.failed[CAMERA]


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


def test_the_done_folder_may_lie_in_the_folder_and_the_folder_in_it(tmp_path: Path) -> None:
    inside = Inbox(tmp_path, tmp_path / "inbox" / "done")
    (inside.inbox / "sub").mkdir()
    for name in ("a.mp4", "sub/a.mp4"):
        (inside.inbox / name).write_bytes(b"1")
    end_all(inside)
    assert len(inside.streams.started) == 2
    assert (inside.done / "sub" / "a.mp4").exists()
    outside = Inbox(tmp_path, tmp_path)
    (outside.inbox / "inbox").mkdir()
    (outside.inbox / "inbox" / "b.mp4").write_bytes(b"1")  # its place below `done` would be in the folder again
    end_all(outside)
    assert outside.names().count("b.mp4") == 1
    assert outside.uploads.snapshot().left["not_moved"] == 1


def test_a_subfolder_that_becomes_a_link_leads_nowhere(inbox: Inbox, tmp_path: Path) -> None:
    """Neither before its file is taken, nor while it is processed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.mp4").write_bytes(b"1")
    (inbox.inbox / "sub").mkdir()
    os.link(outside / "a.mp4", inbox.inbox / "sub" / "a.mp4")  # the same size and time
    inbox.steps(1)
    (inbox.inbox / "sub").rename(tmp_path / "sub")
    (inbox.inbox / "sub").symlink_to(outside)
    inbox.steps()
    assert inbox.names() == []
    (inbox.inbox / "sub").unlink()
    (tmp_path / "sub").rename(inbox.inbox / "sub")
    inbox.steps()
    assert inbox.names() == ["a.mp4"]
    (inbox.inbox / "sub").rename(tmp_path / "sub")
    (inbox.inbox / "sub").symlink_to(outside)
    inbox.streams.started[0].end()
    inbox.steps()
    assert (outside / "a.mp4").exists()
    assert not (inbox.done / "sub" / "a.mp4").exists()


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
