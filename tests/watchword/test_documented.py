"""The examples of docs/python.md run as they are written."""

import io
import re
import socket
import subprocess
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from tests.support.documents.documents import documented
from tests.support.serving.servers import paced, tcp
from tests.support.streams.pipelines import cut_sample

pytestmark = [pytest.mark.process, pytest.mark.realtime]  # one of them watches a camera


def run(example: str) -> list[str]:
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile(example, "docs/python.md", "exec"), {"__name__": "__main__"})
    return out.getvalue().splitlines()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the first 20 s of the sample, in which a parcel is spoken of and a cat is seen at 7 to 17 s."""
    monkeypatch.chdir(tmp_path)
    cut_sample(tmp_path / "clip.mp4", 20)
    return tmp_path


@pytest.mark.long
def test_a_file(folder: Path) -> None:
    parcel, cat = run(documented("docs/python.md", "import watchword\n\nfor event"))
    assert re.match(r"someone_talks_about_a_parcel: \d\.\d to \d\.\d s, \d\d%", parcel)
    assert cat.startswith("a_cat: ")
    assert Path(cat.rpartition(" ")[2]).is_relative_to(folder / "pictures")


@pytest.mark.long
def test_a_camera(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = ["-ss", "5", "-i", "clip.mp4", "-t", "8", "-c", "copy", "-an", "cat.ts"]
    subprocess.run(["ffmpeg", "-v", "error", *cut], check=True)
    stream = (folder / "cat.ts").read_bytes()

    def serve(connection: socket.socket) -> None:
        paced(connection.sendall, stream, 8)

    with tcp(serve) as port:
        monkeypatch.setenv("DOOR_URL", f"tcp://127.0.0.1:{port}")
        lines = run(documented("docs/python.md", "import os\nimport watchword"))
    assert re.match(r"new visitor \d{4}-\d\d-\d\dT", lines[0])
    assert lines[-1].startswith("end visitor ")


@pytest.mark.long
def test_frames_of_your_own() -> None:
    *_, last = run(documented("docs/python.md", "import av\nimport watchword"))
    assert re.match(r"a_cat: [67]\.\d to 1[67]\.\d s", last)
