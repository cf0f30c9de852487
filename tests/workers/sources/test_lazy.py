"""The live decoder: the right frames, soon, for little decoding. Packets come from files, so nothing waits."""

from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from source_media import camera, every, make_video, number_of

from workers.redaction import RedactedUrl
from workers.sources.counters import Counters
from workers.sources.decoding import PacketDecoder, PlainDecoder, Sampled
from workers.sources.media import Entry, Media
from workers.sources.reader import make_decoder
from workers.sources.sampling import Grid
from workers.sources.scaling import FrameScaler
from workers.sources.timebase import Place, Timebase
from workers.sources.url import parse_target
from workers.types import FrameSpec

SCALE = FrameScaler(FrameSpec(48, 32, "squash"))


def play(
    path: Path, fps: float, skip: int = 0, jump: tuple[int, int] = (0, 0)
) -> tuple[list[tuple[int, Sampled]], int]:
    """Feed a file as if it were live; return the samples with the time (ms) of the packet that released each, and
    the number of frames decoded. ``jump``: the first packet whose time stamps are so many seconds later."""
    counters = Counters()
    spec = camera(path, fps=fps)
    media = Media(spec, parse_target(RedactedUrl(str(path))))
    media.video.codec_context.thread_type = "SLICE"  # as live sources have it: frame threads would hold frames back
    context = media.video.codec_context
    decoder = make_decoder(context, PacketDecoder(context, counters, 1 << 30), spec, True, Grid(fps))
    base = Timebase(media.origin_s(), 0.0)
    got: list[tuple[int, Sampled]] = []
    for n, packet in enumerate(media.packets()):
        if n < skip or packet is None:
            continue
        if jump[1] and n >= jump[0]:
            packet.pts += round(jump[1] / packet.time_base)
            packet.dts += round(jump[1] / packet.time_base)
        entry = media.place(packet, base)
        got += [(round(entry.decode_t * 1000), s) for s in decoder.feed(entry)]
    got += [(-1, s) for s in decoder.finish()]
    media.close()
    return got, counters.snapshot().frames_decoded


AV1 = {"codec": "libsvtav1", "options": {"preset": "12"}, "gop": 20}


@pytest.mark.parametrize("hours", [-3, 3])
def test_what_a_decoder_still_holds_when_time_stamps_jump_keeps_its_time(tmp_path: Path, hours: int) -> None:
    path = make_video(tmp_path / "clip.mkv", every(100, 60), **AV1)
    got, _ = play(path, 20, jump=(40, 3600 * hours))
    assert [number_of(SCALE(s.frame)) for _, s in got] == list(range(60))
    np.testing.assert_allclose([s.t for _, s in got], 0.1 * np.arange(60), atol=0.05)
    assert [s.epoch for _, s in got] == [0] * 40 + [1] * 20


def test_frames_without_time_stamps_follow_their_packets_also_after_damage(tmp_path: Path) -> None:
    with av.open(str(make_video(tmp_path / "clip.mkv", every(100, 60), **AV1))) as container:
        context = container.streams.video[0].codec_context
        context.thread_count = 1
        decoder = PlainDecoder(PacketDecoder(context, Counters(), 1 << 30), Grid(20))
        place, late = Place(0, 0.0), []
        for n, packet in enumerate(p for p in container.demux(video=0) if p.size):
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
    monkeypatch.setattr("workers.sources.lazy.MAX_HELD", 10)
    options = {"x264-params": "keyint=infinite:scenecut=0:bframes=2"}
    got, _ = play(make_video(tmp_path / "a.ts", every(40, 200), options=options, gop=9999), fps=0.5)
    assert [number_of(SCALE(s.frame)) for _, s in got] == [0, 50, 100, 150]
