"""Sampling grid, back-off, buffer, URLs and the classifier."""

import errno
from dataclasses import dataclass

import av.error as ff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.backoff import Backoff
from workers.errors import (
    SourceError,
    SourceInvalid,
    SourceNotFound,
    SourceTimeout,
    SourceUnauthorized,
    SourceUnreachable,
    SourceUnsupported,
)
from workers.redaction import RedactedUrl
from workers.sources.decode.packets import Grid
from workers.sources.ffmpeg_errors import classify
from workers.sources.live.buffer import MAX_FRAMES, FreshBuffer
from workers.sources.url import is_local, network_options, parse_target
from workers.types import AudioChunk, FrameBatch


@given(st.lists(st.integers(0, 20_000), unique=True, min_size=1), st.sampled_from([0.2, 1.0, 3.0, 29.97]))
def test_a_frame_is_wanted_if_and_only_if_it_is_the_first_of_its_step(millis: list[int], fps: float) -> None:
    times = sorted(m / 1000 for m in millis)
    grid = Grid(fps)
    taken = [t for t in times if grid.take(t)]
    steps = [int((t + 5.1e-4) * fps) for t in times]  # a grid line half a thousandth later counts
    assert taken == [t for i, t in enumerate(times) if steps[i] not in steps[:i]]


@pytest.mark.parametrize("fps", [6, 15, 23.976, 29.97, 30])
def test_time_stamps_in_thousandths_cost_no_frame_at_the_source_own_rate(fps: float) -> None:
    grid = Grid(fps)
    assert all(grid.take(round(1000 * n / fps) / 1000) for n in range(900))


@dataclass
class FakeClock:
    now: float = 0.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_backoff_grows_to_its_limit_within_the_jitter() -> None:
    clock = FakeClock()
    high = Backoff(clock, 1.0, 60.0, rng=lambda: 1.0)
    low = Backoff(clock, 1.0, 60.0, rng=lambda: 0.0)
    assert [high.failed() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [low.failed() for _ in range(3)] == [0.5, 1, 2]


def test_backoff_starts_anew_only_after_a_success_that_held() -> None:
    clock = FakeClock()
    backoff = Backoff(clock, 1.0, 60.0, stable_s=30.0, rng=lambda: 1.0)
    for _ in range(3):
        backoff.failed()
    backoff.succeeded()
    clock.now += 5
    assert backoff.failed() == 8
    backoff.succeeded()
    clock.now += 31
    backoff.succeeded()
    assert backoff.failed() == 1


def test_backoff_waits_longest_where_a_retry_is_not_known_to_help() -> None:
    assert Backoff(FakeClock(), 1.0, 60.0, rng=lambda: 1.0).failed(retryable=False) == 60


def batch(n: int) -> FrameBatch:
    return FrameBatch("c", 0, np.array([float(n)]), np.array([0.0]), np.zeros((1, 2, 2, 3), np.uint8))


def test_buffer_drops_the_oldest_of_the_same_kind_and_says_so() -> None:
    lost: list[tuple[str, int]] = []
    buffer = FreshBuffer(lambda reason, n: lost.append((reason, n)))
    sound = AudioChunk("c", 0, 0.0, np.zeros(10, np.float32))
    buffer.put(sound)
    for n in range(MAX_FRAMES + 3):
        buffer.put(batch(n))
    assert lost == [("buffer_full", 1)] * 3
    assert buffer.get() is sound
    first = buffer.get()
    assert isinstance(first, FrameBatch)
    assert first.pts_s[0] == 3
    buffer.close()
    rest = [buffer.get() for _ in range(MAX_FRAMES)]
    assert rest[-1] is None
    assert None not in rest[:-1]


@pytest.mark.parametrize(
    ("url", "kind", "name"),
    [
        ("/a/b c.mp4", "file", "/a/b c.mp4"),
        ("file:///a/b%20c.mp4", "file", "/a/b c.mp4"),
        ("clips/a.mp4", "file", "clips/a.mp4"),
        ("file://clips/a.mp4", "file", "clips/a.mp4"),
        ("/dev/video0", "live", "/dev/video0"),
        ("webcam:///dev/video2", "live", "/dev/video2"),
        ("webcam://", "live", "/dev/video0"),
        ("RTSP://h/s", "live", "RTSP://h/s"),
        ("udp://0.0.0.0:5000", "live", "udp://0.0.0.0:5000"),
        ("synthetic://pattern", "synthetic", "synthetic://pattern"),
    ],
)
def test_urls(url: str, kind: str, name: str) -> None:
    target = parse_target(RedactedUrl(url))
    assert (target.kind, target.name) == (kind, name)


def test_unknown_scheme_is_named_without_its_password() -> None:
    with pytest.raises(SourceUnsupported, match="gopher://") as caught:
        parse_target(RedactedUrl("gopher://me:s3cret@host/x"))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["rtsp://h/s", "http://h/s", "https://h/s", "tcp://h:1", "udp://h:1", "/a/b.mp4"])
def test_only_files_may_reach_files(url: str) -> None:
    options = network_options(parse_target(RedactedUrl(url)), 5.0)
    allowed = options["protocol_whitelist"].split(",")
    assert ("file" in allowed) == url.startswith("/")
    assert not {"concat", "subfile", "data", "pipe", "fd"} & set(allowed)
    assert not {"httpproxy", "tls", "https"} & set(allowed)  # `httpproxy` connects anywhere, the others need it


SECRET = RedactedUrl("rtsp://me:s3cret-word@10.0.0.5/cam")


@pytest.mark.parametrize(
    ("error", "elapsed", "kind"),
    [
        (ff.HTTPUnauthorizedError(0, "rtsp://me:s3cret-word@10.0.0.5/cam"), 0.1, SourceUnauthorized),
        (ff.HTTPForbiddenError(0, "no"), 0.1, SourceUnauthorized),
        (ff.HTTPNotFoundError(0, "no"), 0.1, SourceNotFound),
        (ff.ConnectionRefusedError(errno.ECONNREFUSED, "no"), 0.1, SourceUnreachable),
        (ff.OSError(errno.EHOSTUNREACH, "no"), 0.1, SourceUnreachable),
        (ff.OSError(errno.EIO, "no"), 0.1, SourceUnreachable),
        (ff.InvalidDataError(1, "s3cret-word"), 0.1, SourceInvalid),
        (ff.InvalidDataError(1, "invalid"), 4.9, SourceTimeout),
        (ff.ExitError(1, "immediate exit"), 0.1, SourceTimeout),
        (ff.DecoderNotFoundError(1, "no"), 0.1, SourceUnsupported),
        (ff.UnknownError(1, "?"), 0.1, SourceError),
    ],
)
def test_native_errors_become_ours(error: Exception, elapsed: float, kind: type[SourceError]) -> None:
    ours = classify(error, "door", SECRET, elapsed, 5.0)
    assert type(ours) is kind
    assert "s3cret-word" not in str(ours)
    assert str(ours).startswith("door: rtsp://***@10.0.0.5/cam")
    assert ours.hint


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("videos/a.mp4", True),
        ("file:///videos/a.mp4", True),
        ("/dev/video0", True),
        ("webcam://", True),
        ("rtsp://127.0.0.1/a", False),
        ("http://camera/a.ts", False),
        ("synthetic://pattern", False),
    ],
)
def test_files_and_devices_are_read_on_one_machine_only(url: str, local: bool) -> None:
    assert is_local(RedactedUrl(url)) == local
