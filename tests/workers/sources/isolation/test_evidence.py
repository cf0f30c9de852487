"""Clips of a source that another process decodes: the same, and whatever happens there costs a clip at most."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.serving.servers import paced, tcp
from tests.support.videos.media import SPEC, camera, make_video
from tests.support.videos.recording import shown
from workers.clock import SystemClock
from workers.errors import ClipUnavailable
from workers.sources.factory import build_source
from workers.sources.isolation import evidence
from workers.sources.isolation.source import DecoderPool, IsolatedSource
from workers.types import FrameBatch, RingLimits

pytestmark = [pytest.mark.process, pytest.mark.timeout(90)]


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    made = DecoderPool({})
    yield made
    made.close()


def isolated(pool: DecoderPool, url: str | Path, **changes: object) -> IsolatedSource:
    source = pool.build(camera(url, **changes), SPEC, SystemClock())
    assert isinstance(source, IsolatedSource)
    return source


def test_a_file_gives_the_very_clip_that_it_gives_here(pool: DecoderPool, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", range(0, 20_000, 100), gop=20, size=(320, 240))
    here, there = build_source(camera(path), SPEC), isolated(pool, path)
    there.open()
    assert there.clip(5.0, 8.0) == here.clip(5.0, 8.0)
    assert there.picture(6.0) == here.picture(6.0)
    whole = there.clip(0.0, 20.0)  # more than one message
    assert len(whole.content) > 2 * evidence.PART_BYTES or len(whole.content) == len(here.clip(0.0, 20.0).content)
    with pytest.raises(ClipUnavailable):
        there.clip(100.0, 110.0)
    there.close()
    with pytest.raises(ClipUnavailable):
        there.clip(5.0, 8.0)


def test_a_live_stream_has_clips_while_nobody_takes_its_frames_and_after_it_was_stopped(
    pool: DecoderPool, tmp_path: Path
) -> None:
    path = make_video(tmp_path / "a.ts", range(0, 20_000, 100), gop=10, audio=(0, 20, 440))
    with tcp(lambda connection: paced(connection.sendall, path.read_bytes(), 4.0)) as port:
        source = isolated(pool, f"tcp://127.0.0.1:{port}", fps=5, ring=RingLimits(60, 8 << 20))
        source.open()
        items, first = source.items(), None
        while first is None:
            item = next(items)
            first = float(item.pts_s[0]) if isinstance(item, FrameBatch) else None
        source.hold(first)
        until = time.monotonic() + 60
        clip = source.clip(first, first + 1.0)
        while len(shown(clip.content)) < 10 and time.monotonic() < until:
            clip = source.clip(first, first + 1.0)
        numbers = [number for _, number in shown(clip.content)]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert source.picture(first)[:2] == b"\xff\xd8"
        source.stop()
        assert source.clip(first, first + 1.0).content
        source.close()


def test_a_decoder_that_ends_costs_the_clip_and_no_time(pool: DecoderPool, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", range(0, 5000, 100))
    source = isolated(pool, path)
    source.open()
    assert source._decoder is not None
    threading.Timer(0.2, source._decoder._process.kill).start()
    with pytest.raises(ClipUnavailable):  # noqa: PT012  # until it is gone
        while True:
            source.clip(0.0, 5.0)
    source.close()


def test_what_was_given_up_is_not_taken_for_the_next(
    pool: DecoderPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(tmp_path / "a.mp4", range(0, 10_000, 100), gop=10)
    source = isolated(pool, path)
    source.open()
    monkeypatch.setattr(evidence, "TIMEOUT_S", 0.0)
    with pytest.raises(ClipUnavailable, match="within"):
        source.clip(0.0, 2.0)
    monkeypatch.undo()
    assert shown(source.clip(5.0, 6.0).content)[0] == (0.0, 50)
    source.close()
