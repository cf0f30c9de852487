"""A camera behind a bad network, watched in real time: which events were found, and how soon after a trouble ended."""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from alignment.aligners.similarity import SimilarityAligner
from tests.support.serving.network import Link, on_the_far_side
from tests.support.serving.servers import RTSP_SERVER
from tests.support.streams.pipelines import ColourEncoder, MemorySink, services_of
from workers.redaction import RedactedUrl
from workers.sources.factory import build_source
from workers.stream.pipeline import StreamPipeline
from workers.types import CameraSpec, EventSpec

GREY_S, RED_S = 3.0, 3.0  # the camera shows grey and red by turns


def make_scenes(path: Path, seconds: float, gop: int = 10) -> Path:
    """Write an MP4 file of the scenes: ten frames a second, every ``gop``-th a key frame."""
    period = GREY_S + RED_S
    turn = f"between(mod(t,{period}),{GREY_S},{period})"
    made = f"color=0xC81E1E:s=64x48:r=10,format=yuv420p,hue=s='if({turn},1,0)'"
    quick = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", str(gop))
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", made, "-t", str(seconds), *quick, path], check=True)
    return path


class Watching:
    """A pipeline that watches, and what it has found."""

    def __init__(self, url: str, **limits: float) -> None:
        self.encoder, self.sink = ColourEncoder(), MemorySink()
        spec = CameraSpec("far", RedactedUrl(url), audio=False, **limits)  # type: ignore[arg-type]  # seconds
        description = self.encoder.describe()
        aligner, services = SimilarityAligner(description.calibration), services_of(self.encoder, self.sink)
        self.source = build_source(spec, description.frame_spec)
        self._stream = StreamPipeline(
            spec, (EventSpec("red", ("red",), merge_gap_s=1.0),), self.source, aligner, services
        )
        self._thread = threading.Thread(target=self._stream.run)
        self._thread.start()

    def wait_for_frames(self, more: int, seconds: float) -> float:
        """Wait for that many more frames; return how long that took."""
        began, had = time.monotonic(), self.encoder.calls
        while self.encoder.calls < had + more:
            waited = time.monotonic() - began
            assert waited < seconds, f"{self.encoder.calls - had} frames in {waited:.1f} s: {self.source.snapshot()}"
            time.sleep(0.02)
        return time.monotonic() - began

    def stop(self) -> list[tuple[float, float]]:
        """Stop; return start and end of each event. Each was told once, to its end, and none overlap."""
        self._stream.stop()
        self._thread.join(15)
        assert not self._thread.is_alive()
        spans = []
        for name in dict.fromkeys(e.id for e in self.sink.events):
            mine = [e for e in self.sink.events if e.id == name]
            assert [e.revision for e in mine] == list(range(len(mine)))
            assert ([e.type for e in mine].count("new"), mine[-1].type) == (1, "end")
            spans.append((mine[-1].start, mine[-1].end))
        spans.sort()
        assert all(a[1] <= b[0] for a, b in pairwise(spans)), spans
        return spans


@contextmanager
def rtsp_camera(link: Link, video: Path) -> Iterator[str]:
    """Run an RTSP server on the far side; yields its URL."""
    arguments = ("554", "--address", link.host, "--file", str(video), "--mute")
    with on_the_far_side(link, "/usr/bin/python3", str(RTSP_SERVER), *arguments):
        _wait_for_listener(link, 554)
        yield f"rtsp://{link.host}:554/cam"


@contextmanager
def udp_camera(link: Link, video: Path, port: int = 5000) -> Iterator[str]:
    """Send a transport stream by UDP from the far side; yields the URL to listen at."""
    url = f"udp://{link.here}:{port}"
    stream = ("ffmpeg", "-re", "-i", str(video), "-c", "copy", "-f", "mpegts", f"{url}?pkt_size=1316")
    with on_the_far_side(link, *stream):
        yield url


@contextmanager
def hls_camera(link: Link, video: Path, port: int = 80) -> Iterator[str]:
    """Serve segments of two seconds and their playlist from the far side; yields its URL."""
    with tempfile.TemporaryDirectory() as folder:
        playlist = Path(folder) / "live.m3u8"
        cut = ("-c", "copy", "-f", "hls", "-hls_time", "2", "-hls_list_size", "4")
        serve = (sys.executable, "-m", "http.server", str(port), "--bind", link.host, "--directory", folder)
        with (
            on_the_far_side(link, "ffmpeg", "-re", "-i", str(video), *cut, str(playlist)),
            on_the_far_side(link, *serve),
        ):
            _wait_for_listener(link, port)
            until = time.monotonic() + 15
            while not playlist.exists():
                assert time.monotonic() < until, "no playlist"
                time.sleep(0.1)
            yield f"http://{link.host}:{port}/live.m3u8"


def _wait_for_listener(link: Link, port: int) -> None:
    until = time.monotonic() + 40
    listening = link.command("ss", "-Hltn", "sport", "=", f":{port}")
    while not subprocess.run(listening, capture_output=True, check=True).stdout:
        assert time.monotonic() < until, f"nothing listens on port {port} of the far side"
        time.sleep(0.1)
