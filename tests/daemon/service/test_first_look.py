"""What is missing is said before models are loaded."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon.config import load_config
from daemon.service import daemon as lifecycle
from daemon.service.daemon import Daemon
from daemon.service.first_look import unreadable_files
from tests.support.programs.daemon import RED, write_config
from workers.errors import SourceNotFound
from workers.redaction import RedactedUrl
from workers.types import CameraSpec


def test_files_are_looked_at_and_streams_are_not(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("Dear diary")
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    urls = {
        "gone": str(tmp_path / "gone.mp4"),
        "text": f"file://{tmp_path}/notes.mp4",
        "film": str(tmp_path / "film.mp4"),
        "camera": "rtsp://10.0.0.5/1",
        "pattern": "synthetic://pattern",
    }
    cameras = [CameraSpec(name, RedactedUrl(url)) for name, url in urls.items()]
    with capture_logs() as told:
        errors = list(unreadable_files(cameras))
    assert [e.code for e in errors] == ["source_not_found", "source_invalid"]
    assert [line["camera"] for line in told] == ["gone", "text"]


@pytest.mark.parametrize("once", [True, False])
def test_a_run_over_nothing_that_can_be_read_ends_before_models(
    once: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Loading(Exception):
        pass

    def load(*_: object) -> None:
        raise Loading

    monkeypatch.setattr(lifecycle, "build_runtime", load)
    config = write_config(tmp_path, cameras={"a": {"url": "gone.mp4"}}, events=RED)
    with pytest.raises(SourceNotFound if once else Loading):  # a daemon waits for what may come
        Daemon(load_config(config), once).run()
