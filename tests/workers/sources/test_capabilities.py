"""What the machine decodes is found out by decoding."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from workers.sources.capabilities import count_frames, decoder_capabilities, random_access

pytestmark = pytest.mark.timeout(60)  # loads models, or trains

SAMPLE = Path(__file__).resolve().parents[3] / "daemon" / "sample" / "sample.mp4"


def test_usual_codecs_decode_here() -> None:
    found = decoder_capabilities()
    assert found.missing == ()
    assert found.video[:2] == ("h264", "hevc")
    assert found.ffmpeg[0].isdigit()
    assert set(found.hardware) <= set(found.known)
    assert "rtsp" in found.protocols


def test_sample_decodes_both_ways() -> None:
    assert count_frames(SAMPLE) == 720
    assert random_access(SAMPLE).startswith("3.")


def test_what_is_no_video_counts_no_frames(tmp_path: Path) -> None:
    text = tmp_path / "no.mp4"
    text.write_text("this is no video")
    assert count_frames(text) == 0
    assert random_access(text) == ""
    assert count_frames(tmp_path / "absent.mp4") == 0


def test_importing_decord_leaves_the_processors_blas_alone() -> None:
    if importlib.util.find_spec("nvidia") is None:
        pytest.skip("no nvidia-* packages here, so nothing could be loaded")
    # numpy and its BLAS come after decord: the order in which NVBLAS would take over.
    program = """
from pathlib import Path
from workers.sources.random_access import load_decord
decord = load_decord()
assert load_decord() is decord
assert "nvblas" not in Path("/proc/self/maps").read_text()
import nvidia, numpy
a = numpy.ones((300, 300), numpy.float32)
assert (a @ a)[0, 0] == 300
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
