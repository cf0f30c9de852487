"""The same stream with right and wrong time stamps, sent in the same way: the frames have the same times."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.serving.servers import tcp
from tests.support.streams.live import frames, live, take
from tests.support.videos.fields import field_video
from tests.support.videos.media import number_of
from tests.support.videos.restamping import pictures, restamped

pytestmark = pytest.mark.realtime

RATES = {"right": 1.0, "slow": 0.5, "fast": 1.42, "one for all": 0.0}
SETTLED, COUNT = 108, 132  # pictures, ten a second
PROBED_S = 3.0  # FFmpeg looks for the frame rate of time stamps that stand still until the time is up, once


def late(stream: bytes, rate: float) -> tuple[dict[int, float], bool]:
    """Send a stream with time stamps at ``rate``; return how much later its frames are than they were sent."""
    sent: dict[int, float] = {}

    def serve(connection: socket.socket) -> None:
        began = time.time()
        for n, piece in enumerate(pictures(restamped(stream, lambda s: 10.0 + rate * s))):
            time.sleep(max(0.0, began + n / 10 - time.time()))
            sent[n] = time.time()
            connection.sendall(piece)
        connection.recv(1)  # until it is left

    with tcp(serve) as port:
        source = live(
            f"tcp://127.0.0.1:{port}", fps=5.0, open_timeout_s=PROBED_S, read_timeout_s=4.0, stall_timeout_s=8.0
        )
        got = frames(take(source, lambda got: any(number_of(b.frames[0]) >= COUNT - 14 for b in frames(got)), 25.0))
    assert rate == 0.0 or source.snapshot().reconnects == {}
    return {number_of(b.frames[0]): b.pts_s[0] - sent[number_of(b.frames[0])] for b in got}, (
        source.snapshot().stamps_doubted
    )


def test_frames_have_the_times_at_which_they_came_whatever_their_time_stamps_say(tmp_path: Path) -> None:
    stream = field_video(tmp_path / "a.ts", COUNT, gop=10, is_frame=lambda n: True).read_bytes()
    with ThreadPoolExecutor() as pool:
        runs = dict(zip(RATES, pool.map(lambda rate: late(stream, rate), RATES.values()), strict=True))
    for name, (by_number, doubted) in runs.items():
        settled = [by for n, by in by_number.items() if n >= SETTLED]
        assert len(settled) >= 2, name
        assert max(map(abs, settled)) < 0.8, (name, by_number)  # a busy machine reads late
        assert doubted == (name != "right"), name
