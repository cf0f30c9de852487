"""Where evidence lies, here and elsewhere, and that nothing else is ever given out under its name."""

import time
from pathlib import Path
from uuid import uuid4

import pytest

from workers.errors import EvidenceUnreachable
from workers.events.folder import EvidenceFolder
from workers.redaction import RedactedUrl
from workers.services import evidence_upload
from workers.services.state import StateService

FILE = "cam/2026-05-01/cat-1.jpg"


def written(root: Path, name: str = FILE, content: bytes = b"jpeg") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def read(folder: EvidenceFolder, location: str) -> bytes:
    file = folder.open(location)
    assert file is not None
    with file:
        return file.read()


def test_what_events_name_is_found(tmp_path: Path) -> None:
    folder, path = EvidenceFolder(tmp_path), written(tmp_path)
    assert folder.location(FILE) == str(path)
    assert folder.path_of(str(path)) == path
    assert read(folder, str(path)) == b"jpeg"
    assert folder.open(folder.location("cam/2026-05-01/cat-2.jpg")) is None


@pytest.mark.parametrize(
    "named",
    [
        "{}/../secret",
        "{}/cam/../../secret",
        "/etc/passwd",
        "{}",
        "{}/",
        "{}/cam/./x",
        "{}/.hidden/x",
        "{}/a b/x",
        "s3://x",
    ],
)
def test_nothing_else_is(tmp_path: Path, named: str) -> None:
    folder = EvidenceFolder(tmp_path / "evidence")
    written(tmp_path, "secret")
    (tmp_path / "evidence").mkdir()
    assert folder.path_of(named.format(tmp_path / "evidence")) is None
    assert folder.open(named.format(tmp_path / "evidence")) is None


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    secret, folder = written(tmp_path, "secret"), EvidenceFolder(tmp_path / "evidence")
    (tmp_path / "evidence/cam").mkdir(parents=True)
    (tmp_path / "evidence/cam/x.jpg").symlink_to(secret)
    assert folder.path_of(str(tmp_path / "evidence/cam/x.jpg")) is None
    assert [*folder.files()] == []  # it would be uploaded


@pytest.fixture
def remote(tmp_path: Path) -> EvidenceFolder:
    return EvidenceFolder(tmp_path / "here", RedactedUrl(f"memory://user:geheim@{uuid4().hex}/cameras"))


def test_a_remote_folder_is_named_without_its_password(remote: EvidenceFolder) -> None:
    location = remote.location(FILE)
    assert location.startswith("memory://")
    assert location.endswith(f"/cameras/{FILE}")
    assert "geheim" not in location
    assert remote.name_of(location) == FILE


def test_files_move_to_the_remote_folder_and_are_read_there(
    remote: EvidenceFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_upload, "SETTLED_S", 0.2)
    written(tmp_path / "here", "cam/2026-04-30/dog-0.mp4", b"left by the last run")
    state = StateService(remote)
    saved = state.save_pictures("cam", "2026-05-01/cat-1", b"jpeg", None, clip=True)
    assert saved.snapshot == remote.location(FILE)
    assert saved.clip == remote.location("cam/2026-05-01/cat-1.mp4")
    until = time.monotonic() + 30
    while [*remote.files()] and time.monotonic() < until:
        time.sleep(0.02)
    assert remote.remote is not None
    assert {f.name: f.size for f in remote.remote.files()} == {FILE: 4, "cam/2026-04-30/dog-0.mp4": 20}
    assert read(remote, str(saved.snapshot)) == b"jpeg"
    assert state.save_pictures("cam", "2026-05-01/cat-1", None, None).snapshot == saved.snapshot  # still known
    remote.remote.remove(FILE)
    remote.remote.remove(FILE)
    assert remote.open(str(saved.snapshot)) is None


def test_a_remote_folder_that_is_away_costs_no_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_upload, "SETTLED_S", 0.0)
    monkeypatch.setattr(evidence_upload, "FIRST_S", 0.05)
    blocked = tmp_path / "there"
    blocked.write_text("no folder")
    folder = EvidenceFolder(tmp_path / "here", RedactedUrl(f"file://{blocked}/deep"))
    state = StateService(folder)
    assert state.save_pictures("cam", "2026-05-01/cat-1", b"jpeg", None).snapshot is not None
    time.sleep(0.3)
    assert (tmp_path / "here" / FILE).exists()
    blocked.unlink()
    until = time.monotonic() + 30
    while not (blocked / "deep" / FILE).exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert (blocked / "deep" / FILE).read_bytes() == b"jpeg"


def test_what_a_file_system_raises_shows_no_password(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path, RedactedUrl("nosuchsystem://user:geheim@host/x"))
    assert folder.remote is not None
    with pytest.raises(EvidenceUnreachable) as raised:
        folder.remote.files()
    assert "geheim" not in str(raised.value)
