"""The live decoder: the right frames, soon, for little decoding. Packets come from files, so nothing waits."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.packet import Packet

from tests.support.streams.remote import make_scenes
from tests.support.videos.media import every, make_video, number_of
from tests.support.videos.playing import SCALE, play
from workers.sources.containers.container import Entry
from workers.sources.containers.timebase import TimePlacement
from workers.sources.counters import Counters
from workers.sources.decode.packets import Grid, PacketDecoder, PlainDecoder

AV1: dict[str, Any] = {"codec": "libsvtav1", "options": {"preset": "12"}, "gop": 20}


@pytest.mark.parametrize("hours", [-3, 3])
def test_what_a_decoder_still_holds_when_time_stamps_jump_keeps_its_time(tmp_path: Path, hours: int) -> None:
    path = make_video(tmp_path / "clip.mkv", every(100, 60), **AV1)
    got, _ = play(path, 20, jump=(40, 3600 * hours))
    assert [number_of(SCALE(s.frame)) for _, s in got] == list(range(60))
    np.testing.assert_allclose([s.t for _, s in got], 0.1 * np.arange(60), atol=0.05)
    assert [s.segment for _, s in got] == [0] * 40 + [1] * 20


def test_frames_without_time_stamps_follow_their_packets_also_after_damage(tmp_path: Path) -> None:
    with av.open(str(make_video(tmp_path / "clip.mkv", every(100, 60), **AV1))) as container:
        context = container.streams.video[0].codec_context
        context.thread_count = 1
        decoder = PlainDecoder(PacketDecoder(context, Counters(), 1 << 30), Grid(20))
        place, late = TimePlacement(0, 0.0), []
        packets: Iterable[Any] = (p for p in container.demux(video=0) if p.size)
        for n, packet in enumerate(packets):
            t = 0.1 * n
            packet.pts = packet.dts = None
            if 20 < n < 40:  # up to the next keyframe
                packet = Packet(bytes(packet)[:4])
            late += [t - s.t for s in decoder.feed(Entry(packet, t, t, place, False))]
    assert max(late) < 0.5


@pytest.mark.parametrize("b_frames", [0, 3])
def test_first_frame_of_each_step_comes_out_soon(tmp_path: Path, b_frames: int) -> None:
    options = {"x264-params": f"keyint=50:scenecut=0:b-adapt=0:bframes={b_frames}"}
    got, decoded = play(make_video(tmp_path / "a.ts", every(40, 250), options=options), fps=1.0)
    assert [number_of(SCALE(s.frame)) for _, s in got] == [25 * n for n in range(10)]
    np.testing.assert_allclose([s.t for _, s in got], np.arange(10), atol=1e-3)
    late = [released - s.t * 1000 for released, s in got if released >= 0]
    assert max(late) <= (400 if b_frames else 40)
    assert decoded < (125 if b_frames else 190)  # of 250; without B-frames every frame before a sample is a reference


@pytest.mark.parametrize("fps", [3.0, 5.0, 10.0])
@pytest.mark.parametrize("b_frames", ["bframes=1", "bframes=2:b-pyramid=none", "bframes=3", "bframes=5"])
def test_each_step_has_its_frame_however_b_frames_are_ordered(tmp_path: Path, b_frames: str, fps: float) -> None:
    """Some are decoded for the sample before them, before it is known whether they are wanted."""
    options = {"x264-params": f"keyint=50:scenecut=0:b-adapt=0:{b_frames}"}
    got, _ = play(make_video(tmp_path / "a.ts", every(100, 150), options=options), fps=fps)
    numbers = [number_of(SCALE(s.frame)) for _, s in got]
    assert numbers == sorted({int(n * fps / 10 + 1e-6): n for n in reversed(range(150))}.values())


def test_nothing_before_the_first_keyframe(tmp_path: Path) -> None:
    options = {"x264-params": "keyint=50:scenecut=0:bframes=0"}
    got, _ = play(make_video(tmp_path / "a.ts", every(40, 150), options=options), fps=5.0, skip=20)
    numbers = [number_of(SCALE(s.frame)) for _, s in got]
    assert numbers[0] == 50
    assert numbers == list(range(50, 150, 5))


def test_open_gop_gives_whole_pictures_in_rising_time(tmp_path: Path) -> None:
    options = {"x264-params": "open-gop=1:bframes=3:keyint=12:scenecut=0"}
    path = make_video(tmp_path / "a.mkv", every(40, 150), options=options)
    got, _ = play(path, fps=3.0)
    assert all(abs(number_of(SCALE(s.frame)) * 0.04 - s.t) < 0.001 for _, s in got)
    times = [s.t for _, s in got]
    assert times == sorted(times)
    assert len(times) >= 16


def test_endless_gop_stays_bounded_and_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.sources.decode.lazy.MAX_HELD", 10)
    options = {"x264-params": "keyint=infinite:scenecut=0:bframes=2"}
    got, _ = play(make_video(tmp_path / "a.ts", every(40, 200), options=options, gop=9999), fps=0.5)
    assert [number_of(SCALE(s.frame)) for _, s in got] == [0, 50, 100, 150]


@pytest.mark.parametrize("lost", [(30,), (30, 40), (31,), (60,), (29, 30, 31)])
def test_after_a_lost_key_frame_no_sample_shows_the_scene_before(tmp_path: Path, lost: tuple[int, ...]) -> None:
    path = make_scenes(tmp_path / "scenes.mp4", 9)  # grey, red, grey, for three seconds each
    got, _ = play(path, fps=2.0, lost=lost)
    red = {round(s.t, 1): bool(np.ptp(SCALE(s.frame)[16, 24].astype(int)) > 60) for _, s in got}
    assert [t for t, is_red in red.items() if is_red != (t % 6 >= 3)] == []
    assert len(got) >= 18 - 2 * len(lost)
