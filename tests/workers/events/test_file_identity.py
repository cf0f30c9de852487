"""What events say of the file in which they were found."""

import hashlib
import threading
from pathlib import Path

import pytest

from workers.events.event import SourceFile
from workers.events.file_identity import FileIdentity


def of(path: Path, stopping: threading.Event | None = None, upload: str | None = None) -> FileIdentity:
    return FileIdentity(path, 12.3456, stopping or threading.Event(), upload)


def test_a_file_is_named_by_its_path_and_an_upload_by_that_below_its_folder(tmp_path: Path) -> None:
    content = b"film" * 700_000
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    plain, upload = of(path), of(path, upload="door/clip.mp4")
    assert plain.source == SourceFile(file=str(path), name="clip.mp4", sha256=digest, duration=12.346)
    assert upload.source == SourceFile(file="door/clip.mp4", name="clip.mp4", sha256=digest, duration=12.346)
    assert (plain.is_upload, upload.is_upload) == (False, True)


def test_a_file_that_is_gone_and_a_stream_that_stops_cost_only_the_hash(tmp_path: Path) -> None:
    assert of(tmp_path / "gone.mp4").source.sha256 is None
    path, stopping = tmp_path / "clip.mp4", threading.Event()
    path.write_bytes(b"film")
    stopping.set()
    assert of(path, stopping).source.sha256 is None


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("clip.mp4", "clip"),
        ("a.b c/..mp4", "_"),
        ("2026-01-02 03.04.05.mkv", "2026-01-02_03_04_05"),
        ("門口.mp4", "門口"),
        ("bad\udcffbytes.mp4", "bad_bytes"),
        ("猫" * 80 + ".mp4", "猫" * 26),
    ],
)
def test_pictures_have_short_plain_names(name: str, stem: str) -> None:
    assert of(Path(name)).stem == stem
