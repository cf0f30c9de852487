"""An address that answers with a single picture is polled at ``fps``."""

import io
import time
from http.server import BaseHTTPRequestHandler

import numpy as np
import pytest
from PIL import Image

from tests.support.serving.servers import http
from tests.support.streams.live import frames, live, take
from tests.support.videos.media import number_of, picture

pytestmark = pytest.mark.realtime


class SnapshotServer:
    """Answers each request with the next picture; ``fails``: the numbers of requests that get 503."""

    def __init__(self, kind: str = "image/jpeg", fails: tuple[int, ...] = ()) -> None:
        self.kind, self.fails = kind, fails
        self.asked: list[float] = []

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        number = len(self.asked)
        self.asked.append(time.monotonic())
        image = io.BytesIO()
        Image.fromarray(picture(number)).save(image, "JPEG", quality=90)
        body = b"" if number in self.fails else image.getvalue()
        request.send_response(200 if body else 503)
        if self.kind:
            request.send_header("Content-Type", self.kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


@pytest.mark.parametrize("kind", ["image/jpeg", "image/jpg; charset=binary", "application/octet-stream", ""])
def test_a_single_picture_is_polled_at_fps(kind: str) -> None:
    server = SnapshotServer(kind)
    with http(server) as base:
        source = live(f"{base}/snapshot.jpg?channel=1", fps=4.0, audio=False, open_timeout_s=8.0, read_timeout_s=4.0)
        got = frames(take(source, lambda got: len(frames(got)) >= 5))
    assert source.snapshot().reconnects == {}
    numbers = [number_of(b.frames[0]) for b in got]
    assert numbers == sorted(set(numbers))
    assert server.asked[-1] - server.asked[0] > 0.8 * 0.25 * (len(server.asked) - 1)  # not more often
    np.testing.assert_allclose([b.pts_s[0] for b in got], [b.wall_time[0] for b in got], atol=1.5)


def test_a_poll_that_fails_is_a_reconnect_like_any_other() -> None:
    server = SnapshotServer(fails=(4, 5))
    with http(server) as base:
        source = live(f"{base}/snapshot.jpg", fps=4.0, audio=False, open_timeout_s=8.0, read_timeout_s=4.0)
        got = frames(take(source, lambda got: any(number_of(b.frames[0]) > 8 for b in frames(got)), 20.0))
    assert sum(source.snapshot().reconnects.values()) >= 1
    assert {4, 5}.isdisjoint(number_of(b.frames[0]) for b in got)


def test_rare_pictures_are_polled_before_a_read_is_given_up() -> None:
    server = SnapshotServer()
    with http(server) as base:
        source = live(f"{base}/snapshot.jpg", fps=0.5, audio=False, open_timeout_s=4.0, read_timeout_s=1.0)
        take(source, lambda got: len(frames(got)) >= 2, 20.0)
    assert source.snapshot().reconnects == {}


def test_nobody_is_polled_after_the_end() -> None:
    server = SnapshotServer()
    with http(server) as base:
        source = live(f"{base}/snapshot.jpg", fps=10.0, audio=False, open_timeout_s=4.0, read_timeout_s=2.0)
        take(source, lambda got: len(frames(got)) >= 2)
        source.close()
        time.sleep(0.5)
        asked = len(server.asked)
        time.sleep(0.5)
    assert len(server.asked) == asked
