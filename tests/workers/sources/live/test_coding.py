"""Streams over TCP whose packets are no whole pictures, or whose pictures have no key frames."""

import itertools
import subprocess
import threading
from pathlib import Path

import pytest

from tests.support.clocks import wait_until
from tests.support.serving.servers import paced, tcp
from tests.support.streams.live import frames, live, take
from tests.support.videos.fields import field_video
from tests.support.videos.media import every, make_video, number_of

pytestmark = pytest.mark.realtime

REFRESH = {"x264-params": "intra-refresh=1:keyint=10:scenecut=0:bframes=0"}


def seen(data: bytes, seconds: float, least: int) -> list[int]:
    """Return the numbers of the frames, one in two after the first, of a stream that is sent once, without a break."""
    with tcp(lambda c: paced(c.sendall, data, seconds)) as port:
        source = live(f"tcp://127.0.0.1:{port}", open_timeout_s=8.0, read_timeout_s=4.0, stall_timeout_s=4.0)
        got = take(source, lambda got: len(frames(got)) >= least)
        assert source.snapshot().failures == {}
    return [number_of(b.frames[0]) for b in frames(got)]


def test_field_pictures(tmp_path: Path) -> None:
    data = field_video(tmp_path / "a.ts", 60, gop=10).read_bytes()
    numbers = seen(data, 6.0, 15)
    assert all(b - a == 2 for a, b in itertools.pairwise(numbers[1:])), numbers


@pytest.mark.parametrize("joined", [0.0, 0.3])
def test_intra_refresh(joined: float, tmp_path: Path) -> None:
    data = make_video(tmp_path / "a.ts", every(100, 80), gop=10, options=REFRESH).read_bytes()
    numbers = seen(data[int(joined * len(data)) :], 8.0 * (1 - joined), 12)
    assert all(b - a == 2 for a, b in itertools.pairwise(numbers[1:])), numbers


def test_what_never_decodes_is_said_to_arrive(tmp_path: Path) -> None:
    """The camera sends, so nobody must look for a network that fails."""
    whole = make_video(tmp_path / "a.ts", every(40, 200), gop=999, options={"x264-params": "keyint=infinite"})
    repeated = ["-c", "copy", "-bsf:v", "dump_extra=freq=all", str(tmp_path / "b.ts")]
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(whole), *repeated], check=True)
    data = (tmp_path / "b.ts").read_bytes()
    with tcp(lambda c: paced(c.sendall, data[len(data) // 5 :], 8.0)) as port:
        source = live(f"tcp://127.0.0.1:{port}", stall_timeout_s=1.0, read_timeout_s=3.0, open_timeout_s=6.0)
        threading.Thread(target=lambda: list(source.items()), daemon=True).start()
        wait_until(lambda: source.snapshot().failures.get("source_timeout", 0) >= 1)
        source.stop()
    assert "packets of video arrived" in (source.snapshot().last_error or "")
