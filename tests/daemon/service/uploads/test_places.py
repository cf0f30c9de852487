"""Where uploads may lie: subfolders, links, folders within each other, and folders on other disks."""

import os
import resource
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from daemon.config.sections.cameras import UPLOADS as CAMERA
from daemon.offline.exports import ExportError
from daemon.privacy.stores.store import Places
from daemon.privacy.stores.uploads import UploadData, UploadRecords
from daemon.service.uploads import UploadFolder
from tests.daemon.service.uploads.test_uploads import end_all
from tests.support.uploads import Inbox
from workers.errors import SourceInvalid
from workers.events.erasures import Scope
from workers.state_layout import StateLayout


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


def test_a_folder_that_cannot_be_made_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match=r"cannot write to .*file/done.*uploads\.done"):
        UploadFolder(tmp_path / "inbox", tmp_path / "file" / "done", (), UploadRecords(tmp_path / "uploads.jsonl"))


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
