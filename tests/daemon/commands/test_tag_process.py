"""``watchword tag`` as a process, with the daemon's own pipeline and models."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.programs.daemon import watchword

pytestmark = pytest.mark.process

MakeVideo = Callable[[Path, Sequence[tuple[str, int]]], Path]

pytest.importorskip("efficientnet_lite_pytorch", reason="the lite profile is not installed")


@pytest.mark.timeout(400)  # seconds of model loading; minutes on a machine that is busy
def test_standard_output_is_data_and_one_bad_file_costs_only_itself(tmp_path: Path, make_video: MakeVideo) -> None:
    make_video(tmp_path / "a.mp4", [("red", 3)])
    (tmp_path / "b.mp4").write_bytes(b"\0no video\xff" * 9)
    make_video(tmp_path / "c.mp4", [("blue", 4)])
    done = watchword("tag", tmp_path, "--json", "--event", "a zebra", timeout_s=360)
    assert done.returncode == 3, done.stderr
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(d["file"]).name for d in documents] == ["a.mp4", "b.mp4", "c.mp4"]
    assert [d["duration"] for d in documents if not d["error"]] == pytest.approx([3, 4], abs=0.3)
    assert [d["error"] and d["error"]["code"] for d in documents] == [None, "source_invalid", None]
    assert [d["events"] for d in documents] == [[], [], []]
    assert done.stderr.startswith("loading models: profile lite, Whisper tiny.en for speech\n")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert len(errors) == 1
    assert "b.mp4" in errors[0]
    assert "Traceback" not in done.stderr
