"""The folder of uploads: whole files only, one at a time, each moved away once."""

import os
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fake_clock import FakeClock
from publish_kit import wait_until

import daemon.uploads as uploads_module
from daemon.exports import ExportError
from daemon.privacy.uploads import UploadRecords, WatchedUpload
from daemon.snapshots import UploadsSnapshot
from daemon.supervisor import Supervisor
from daemon.uploads import CAMERA, UploadFolder, UploadNotEnded
from workers.errors import SourceError, SourceInvalid, SourceNotFound
from workers.forgetting import Scope
from workers.snapshots import StreamSnapshot
from workers.types import CameraSpec


class Stream:
    """A stream over a file, which the test ends."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.state = StreamSnapshot(CAMERA, "running")
        self.asked = False

    def snapshot(self) -> StreamSnapshot:
        return self.state

    def stop(self) -> None:
        self.asked = True

    def kill(self) -> None: ...

    def end(self, failure: SourceError | None = None) -> None:
        self.state = StreamSnapshot(CAMERA, "failed" if failure else "finished", failure=failure)


class Streams:
    def __init__(self) -> None:
        self.started: list[Stream] = []

    def start_stream(self, camera: CameraSpec, events: object) -> Stream:
        self.started.append(Stream(camera.url.reveal()))
        return self.started[-1]


class Inbox:
    """An upload folder with its supervisor."""

    def __init__(self, folder: Path, done: Path | None = None) -> None:
        self.inbox, self.done = folder / "inbox", done or folder / "done"
        self.streams, self.clock = Streams(), FakeClock()
        self.records = UploadRecords(folder / "uploads.jsonl")
        self.uploads = UploadFolder(self.inbox, self.done, (), self.records, clock=self.clock)
        self._supervisor = Supervisor(self.streams, self.clock)  # type: ignore[arg-type]  # only start_stream is asked

    def steps(self, count: int = 4, apart_s: float = 0.5) -> None:
        for _ in range(count):
            self.clock.now += apart_s
            self._supervisor.step()
            self.uploads.step(self._supervisor)
        self._supervisor.step()

    def names(self) -> list[str]:
        return [Path(s.path).name for s in self.streams.started]


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
    assert inbox.uploads.failed == {CAMERA: "1 file(s), first a.mp4: no media"}
    assert inbox.uploads.snapshot() == UploadsSnapshot(failed=1)


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


@contextmanager
def halting(inbox: Inbox, scope: Scope) -> Iterator["Future[float | None]"]:
    """Halt uploads from another thread until the block ends; yield the answer to it."""
    answer: Future[float | None] = Future()
    over = threading.Event()

    def halt() -> None:
        try:
            with inbox.uploads.halted(scope) as ended:
                answer.set_result(ended)
                over.wait()
        except UploadNotEnded as error:
            answer.set_exception(error)

    before = inbox.uploads._halt
    thread = threading.Thread(target=halt)
    thread.start()
    wait_until(lambda: inbox.uploads._halt is not before)
    yield answer
    over.set()
    thread.join(5)


def test_an_upload_that_is_to_be_forgotten_is_ended_and_none_begun_until_it_is_gone(inbox: Inbox) -> None:
    for name in ("a.mp4", "b.mp4"):
        (inbox.inbox / name).write_bytes(b"1")
    inbox.steps()
    (watched,) = inbox.records.all()
    assert (watched.file, watched.until) == (str(inbox.inbox / "a.mp4"), None)
    with halting(inbox, Scope(CAMERA, 0.0, watched.since)) as answer:
        inbox.steps(2)
        assert inbox.streams.started[0].asked
        assert not answer.done()
        inbox.streams.started[0].end()
        inbox.steps(2)
        assert watched.since < (answer.result(5) or 0) <= inbox.clock.wall()
        inbox.steps()
        assert inbox.names() == ["a.mp4"]
        assert inbox.records.all() == [watched]
        (inbox.inbox / "a.mp4").unlink()
    inbox.steps()
    assert inbox.names() == ["a.mp4", "b.mp4"]
    (inbox.inbox / "a.mp4").write_bytes(b"another one")
    inbox.streams.started[1].end()
    inbox.steps()
    assert inbox.names() == ["a.mp4", "b.mp4", "a.mp4"]
    assert {Path(u.file).name: u.since > watched.since for u in inbox.records.all()} == {"a.mp4": True, "b.mp4": True}


def test_one_that_began_after_what_is_to_be_forgotten_goes_on(inbox: Inbox) -> None:
    (inbox.inbox / "a.mp4").write_bytes(b"1")
    inbox.steps()
    with halting(inbox, Scope(CAMERA, 0.0, inbox.clock.wall() - 60)) as answer:
        inbox.steps()
        assert answer.result(5) is None
    assert not inbox.streams.started[0].asked


def test_one_that_does_not_end_is_said_and_when_it_does_at_last_it_is_watched_anew(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads_module, "HALT_S", 0.2)
    (inbox.inbox / "a.mp4").write_bytes(b"1")
    inbox.steps()
    since = inbox.clock.wall()
    with halting(inbox, Scope(CAMERA, 0.0, since)) as answer:
        inbox.steps(2)
        with pytest.raises(UploadNotEnded, match="nothing was removed"):
            answer.result(5)
    inbox.streams.started[0].end()
    inbox.steps()
    assert inbox.names() == ["a.mp4", "a.mp4"]
    assert not (inbox.done / "a.mp4").exists()
    inbox.streams.started[1].end()
    inbox.steps()
    (noted,) = inbox.records.all()
    assert noted.file == str(inbox.done / "a.mp4")
    assert noted.since <= since
    assert inbox.uploads.failed == {}


def test_an_upload_was_watched_since_it_first_began_though_the_daemon_died(tmp_path: Path) -> None:
    first = Inbox(tmp_path)
    for name in ("a.mp4", "b.mp4"):
        (first.inbox / name).write_bytes(b"1")
    first.steps()
    began = first.records.all()[0].since
    first.clock.now += 1000
    second = Inbox(tmp_path)
    second.clock.now = first.clock.now
    second.steps()
    second.streams.started[0].end()
    second.steps()
    assert [(Path(u.file).parent.name, u.since == began) for u in second.records.all()] == [
        ("done", True),
        ("inbox", False),
    ]
    (second.inbox / "b.mp4").unlink()
    assert [Path(u.file).name for u in Inbox(tmp_path).records.all()] == ["a.mp4"]
