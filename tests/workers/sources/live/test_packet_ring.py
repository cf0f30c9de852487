"""What a live source keeps for clips: enough for an event, bounded whatever a camera sends."""

import threading
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.videos.media import make_video
from tests.support.videos.recording import recorded
from workers.sources.clips.coded import Tracks
from workers.sources.live.packet_ring import OVERHEAD, PacketRing
from workers.types import RingLimits

pytestmark = pytest.mark.timeout(60)


class FakePacket(bytes):
    is_keyframe = False


def entry(t: float, size: int = 1000, is_entry: bool = False) -> Any:
    packet: Any = FakePacket(size)
    return SimpleNamespace(packet=packet, t=t, decode_t=t, picture=SimpleNamespace(is_entry=is_entry))


def filled(ring: PacketRing, seconds: float, since: float = 0.0, fps: int = 25, gop_s: float = 2.0, size: int = 1000):
    ring.begin(Tracks(b"tracks"))
    for n in range(round(seconds * fps)):
        ring.add(entry(since + n / fps, size, n % round(gop_s * fps) == 0), True)
    return ring


def kept(ring: PacketRing, start: float = 0.0, end: float = 1e9) -> tuple[float, float]:
    found = ring.cut(start, end)
    assert found is not None
    return found.packets[0].t, found.packets[-1].t


def test_whole_groups_of_the_last_seconds_are_kept() -> None:
    ring = filled(PacketRing(RingLimits(20, 1 << 30)), 100)
    assert kept(ring) == (78.0, 99.96)
    assert ring.bytes == 550 * (1000 + OVERHEAD)


def test_eight_cameras_of_four_megabits_fit_into_the_memory_that_is_stated() -> None:
    size, cameras = 4_000_000 // 8 // 25, 8
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    rings = [filled(PacketRing(RingLimits(20, 32 << 20)), 60, size=size) for _ in range(cameras)]
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert used <= 1.02 * sum(ring.bytes for ring in rings)  # what it says is what it takes
    assert used < 100e6


def test_what_is_held_is_kept_until_there_is_no_memory() -> None:
    ring = PacketRing(RingLimits(20, 2 << 20))
    filled(ring, 10)
    ring.hold(5.0)
    for n in range(250, 1000):
        ring.add(entry(n / 25, is_entry=n % 50 == 0), True)
    assert kept(ring)[0] == 4.0
    assert not ring.is_full
    for n in range(1000, 5000):
        ring.add(entry(n / 25, is_entry=n % 50 == 0), True)
    assert ring.is_full
    assert ring.bytes <= 2 << 20
    ring.hold(None)
    ring.add(entry(200.0, is_entry=True), True)
    assert kept(ring)[0] == 180.0


def test_a_group_of_pictures_that_never_ends_is_bounded_as_well() -> None:
    ring = filled(PacketRing(RingLimits(20, 1 << 20)), 100, gop_s=1000)
    assert ring.bytes <= 1 << 20


def test_what_a_connection_sends_before_its_first_key_frame_is_left_out() -> None:
    ring = PacketRing(RingLimits(20, 1 << 30))
    ring.begin(Tracks(b"tracks"))
    for n in range(100):
        ring.add(entry(n / 25, is_entry=n == 40), True)
    assert kept(ring) == (1.6, 3.96)
    refresh = PacketRing(RingLimits(60, 1 << 30))
    refresh.begin(Tracks(b"tracks"))
    for n in range(500):
        refresh.add(entry(n / 25), True)
    assert kept(refresh, 0)[0] == pytest.approx(10.0)  # a camera without key frames


def test_a_clock_that_was_set_back_starts_anew() -> None:
    ring = filled(PacketRing(RingLimits(20, 1 << 30)), 30, since=1000)
    ring = filled(ring, 30, since=500)
    assert kept(ring) == (508.0, 529.96)


def test_waiting_for_what_arrives() -> None:
    ring = filled(PacketRing(RingLimits(20, 1 << 30)), 10)
    assert ring.wait(9.0, 0)
    assert not ring.wait(11.0, 0.01)
    threading.Timer(0.05, lambda: ring.add(entry(12.0), True)).start()
    assert ring.wait(11.0, 30)


def test_a_clip_goes_on_after_a_reconnect(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", range(0, 10_000, 100), gop=20)
    ring = recorded(path)
    recorded(path, since=15.0, ring=ring)
    found = ring.cut(7.0, 18.0)
    assert found is not None
    times = [p.t for p in found.video]
    assert (min(times), max(times)) == (pytest.approx(6.0, abs=0.1), pytest.approx(18.0, abs=0.3))
    other = make_video(
        tmp_path / "b.mkv",
        range(0, 10_000, 100),
        codec="libx265",
        size=(128, 96),
        gop=20,
        options={"x265-params": "log-level=none"},
    )
    recorded(other, since=30.0, ring=ring)
    found = ring.cut(22.0, 31.0)
    assert found is not None
    assert max(p.t for p in found.packets) < 26.0
