"""Sources decoded by another process: the same items, and whatever happens there stays there."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tests.support.serving.servers import http, paced, start, unresponsive
from tests.support.videos.media import SPEC, camera, every, make_video, read_all
from workers.clock import SystemClock
from workers.errors import SourceCrashed, SourceInvalid, SourceNotFound, SourceTimeout, SourceTooLarge
from workers.rlimits import private_bytes
from workers.sources.base import Source
from workers.sources.isolation.source import DecoderPool, IsolatedSource
from workers.types import AudioChunk, FrameBatch, FrameSpec, MediaLimits, SourceItem


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    made = DecoderPool({})
    yield made
    made.close()
    for left in decoders():  # by a test that failed: it must not fail the next
        left.kill()


def isolated(pool: DecoderPool, url: str | Path, **changes: Any) -> Source:
    return pool.build(camera(url, **changes), SPEC, SystemClock())


def decoders() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if any("isolation.process" in part for part in command_of(p))]


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.ZombieProcess:  # of another test, in the same worker
        return []


def frames_of(source: Source) -> np.ndarray:
    return np.concatenate([item.frames for item in source.items() if isinstance(item, FrameBatch)])


def test_the_very_items_of_a_source_in_this_process(pool: DecoderPool, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", every(40, 100), audio=(0, 4, 440))
    here, source = read_all(path, fps=5), isolated(pool, path, fps=5)
    assert source.open() == here.info
    items = list(source.items())
    source.close()
    assert [type(i) for i in items] == [type(i) for i in here.items]
    assert np.array_equal(np.concatenate([i.frames for i in items if isinstance(i, FrameBatch)]), here.frames)
    assert np.array_equal(np.concatenate([i.samples for i in items if isinstance(i, AudioChunk)]), here.sound)
    told = source.snapshot()
    assert (told.frames_decoded, told.frames_sampled) == (here.snapshot.frames_decoded, here.snapshot.frames_sampled)


def test_one_process_serves_one_file_after_the_other(pool: DecoderPool, tmp_path: Path) -> None:
    good = make_video(tmp_path / "good.mp4", every(100, 20))
    (tmp_path / "text.mp4").write_text("no video at all")
    for _ in range(2):
        for name, error in (("text.mp4", SourceInvalid), ("nowhere.mp4", SourceNotFound)):
            source = isolated(pool, tmp_path / name)
            with pytest.raises(error, match=name):
                source.open()
            source.close()
        source = isolated(pool, good)
        source.open()
        assert len(frames_of(source)) == 2
        source.close()
    assert len(decoders()) == 1
    pool.close()
    assert decoders() == []


def test_memory_beyond_the_limit_costs_only_the_file(pool: DecoderPool, tmp_path: Path) -> None:
    make_video(tmp_path / "wide.mp4", every(40, 4), size=(7680, 4320), options={"preset": "ultrafast"})
    small = make_video(tmp_path / "small.mp4", every(100, 20))
    limits = MediaLimits(memory_mib=64)
    source = isolated(pool, tmp_path / "wide.mp4", limits=limits, fps=25)
    with pytest.raises(SourceTooLarge, match=r"wide\.mp4.*more memory than 64 MiB \(limits\.memory_mib\)"):
        list(source.items())
    source.close()
    good = isolated(pool, small, limits=limits)
    good.open()
    assert len(frames_of(good)) == 2
    good.close()


def test_a_decoder_that_dies_is_one_clear_error(pool: DecoderPool, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", every(40, 500))
    source = isolated(pool, path, fps=25)
    items = source.items()
    next(items)
    (decoder,) = decoders()
    decoder.send_signal(signal.SIGSEGV)
    with pytest.raises(SourceCrashed, match=r"a\.mp4 made its decoder crash .*status -11") as caught:
        list(items)
    assert not caught.value.retryable
    source.close()
    again = isolated(pool, path)
    again.open()
    assert len(frames_of(again)) == 20
    again.close()


def test_a_decoder_that_does_not_get_on_is_ended(pool: DecoderPool, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", every(40, 500))
    source = isolated(pool, path, fps=25, stall_timeout_s=0.25)
    items = source.items()
    next(items)
    (decoder,) = decoders()
    decoder.suspend()  # as good as a decode call that never returns
    began = time.monotonic()
    with pytest.raises(SourceTimeout, match="decoding made no progress"):
        list(items)
    assert time.monotonic() - began < 30
    source.close()
    assert decoders() == []


@pytest.fixture
def stopped_halfway(pool: DecoderPool, tmp_path: Path) -> Callable[..., tuple[Source, Iterator[SourceItem]]]:
    """A source whose decoder was stopped in the midst of a message, which is longer than what a socket holds."""

    def begin(**changes: Any) -> tuple[Source, Iterator[SourceItem]]:
        path = make_video(tmp_path / "a.mp4", every(40, 100))
        source = pool.build(camera(path, fps=25, **changes), FrameSpec(512, 512, "squash"), SystemClock())
        assert isinstance(source, IsolatedSource)
        items = source.items()
        next(items)
        assert source._decoder is not None
        waiting = array("i", [0])
        while waiting[0] < 64 << 10:
            time.sleep(0.01)
            fcntl.ioctl(source._decoder.channel._socket, termios.FIONREAD, waiting)
        decoders()[0].suspend()
        return source, items

    return begin


def test_a_decoder_that_stops_in_the_midst_of_a_message_is_ended(
    stopped_halfway: Callable[..., tuple[Source, Iterator[SourceItem]]],
) -> None:
    source, items = stopped_halfway(stall_timeout_s=0.25)
    began = time.monotonic()
    with pytest.raises(SourceTimeout, match="decoding made no progress"):
        list(items)
    assert time.monotonic() - began < 10
    source.close()
    assert decoders() == []


def test_a_stop_is_heard_in_the_midst_of_a_message(
    stopped_halfway: Callable[..., tuple[Source, Iterator[SourceItem]]],
) -> None:
    source, items = stopped_halfway(stall_timeout_s=60)
    threading.Timer(0.2, source.stop).start()
    began = time.monotonic()
    list(items)
    source.close()
    assert time.monotonic() - began < 10
    assert decoders() == []


def test_signals_of_a_terminal_or_a_service_manager_do_not_reach_it(pool: DecoderPool, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", every(40, 500))
    source = isolated(pool, path, fps=25)
    items = source.items()
    got = [next(items)]
    (decoder,) = decoders()
    assert os.getpgid(decoder.pid) != os.getpgid(0)
    decoder.send_signal(signal.SIGTERM)
    decoder.send_signal(signal.SIGINT)
    got += list(items)
    assert sum(len(i.frames) for i in got if isinstance(i, FrameBatch)) == 500
    source.close()


def test_it_ends_with_who_asked(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", every(40, 500))
    code = f"""
import os, time
from tests.support.videos.media import camera, SPEC
from workers.clock import SystemClock
from workers.sources.isolation.source import DecoderPool, IsolatedSource
source = DecoderPool({{}}).build(camera({str(path)!r}, fps=25), SPEC, SystemClock())
next(source.items())
import psutil
print(psutil.Process().children()[0].pid, flush=True)
time.sleep(60)
"""
    path_env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=path_env) as asking:
        assert asking.stdout is not None
        decoder = int(asking.stdout.readline())
        assert psutil.pid_exists(decoder)
        asking.kill()
    deadline = time.monotonic() + 20
    while psutil.pid_exists(decoder) and psutil.Process(decoder).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_live_stream_stops_at_once_and_drops_what_nobody_takes(pool: DecoderPool, tmp_path: Path) -> None:
    data = make_video(tmp_path / "a.ts", every(40, 500)).read_bytes()

    def serve(request: object) -> None:
        start(request)  # type: ignore[arg-type]  # the handler of the test's server
        paced(request.wfile.write, data, 20)  # type: ignore[attr-defined]

    with http(serve) as url:
        source = isolated(pool, f"{url}/live.ts", fps=25)
        assert source.open().live
        items = source.items()
        assert isinstance(next(items), FrameBatch)
        assert source.snapshot().frames_decoded >= 0
        began = time.monotonic()
        source.stop()
        list(items)
        source.close()
        assert time.monotonic() - began < 8


def test_opening_stops_at_once_too(pool: DecoderPool) -> None:
    with unresponsive() as mute:
        source = isolated(pool, f"rtsp://{mute}/cam", open_timeout_s=60, read_timeout_s=60)
        threading.Timer(1.0, source.stop).start()
        began = time.monotonic()
        with pytest.raises(SourceTimeout, match="stopped while opening"):
            source.open()
        source.close()
        assert time.monotonic() - began < 15
        assert decoders() == []


def test_a_confined_process(tmp_path: Path) -> None:
    code = """
import resource, sys
from workers.rlimits import MAX_FILES, confine, private_bytes
before = private_bytes()
confine(100)
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= MAX_FILES
import mmap
mmap.mmap(-1, 4 << 30)  # shared memory is not counted: Ray's object store is such
kept = bytearray(50 << 20)
try:
    bytearray(100 << 20)
except MemoryError:
    print("refused")
"""
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=path, check=True)
    assert done.stdout == "refused\n"
    assert (private_bytes() or 0) > 1 << 20
