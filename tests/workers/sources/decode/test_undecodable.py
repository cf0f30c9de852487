"""Packets of another codec: the decoder of the old one finds start codes in them too."""

import io

import av
import pytest
from av.video.codeccontext import VideoCodecContext

from tests.support.streams.live import encoded
from workers.sources.containers.container import Entry
from workers.sources.containers.timebase import TimePlacement
from workers.sources.counters import Counters
from workers.sources.decode.packets import PacketDecoder

RED, BLUE = [("red", 4.0)], [("blue", 8.0)]


def packets(pieces: list[bytes]) -> list[av.Packet]:
    with av.open(io.BytesIO(b"".join(pieces)), "r", format="mpegts") as media:
        return [p for p in media.demux(video=0) if p.size]


def decode(decoder: PacketDecoder, packet: av.Packet) -> list[av.VideoFrame]:
    return decoder.decode(Entry(packet, 0.0, 0.0, TimePlacement(0, 0.0), True), wanted=True)


@pytest.fixture
def decoder() -> PacketDecoder:
    context = av.CodecContext.create("h264", "r")
    assert isinstance(context, VideoCodecContext)
    return PacketDecoder(context, Counters(), 1 << 24)


def test_no_picture_is_repeated_for_packets_of_another_codec(decoder: PacketDecoder) -> None:
    for packet in packets(encoded(RED)):
        decode(decoder, packet)
    other = packets(encoded(BLUE, stamp_s=4.0, codec="mpeg2video"))
    shown = [n for n, packet in enumerate(other) if decode(decoder, packet)]
    assert shown in ([], [0])
    assert decoder.damaged > len(other) / 2


def test_incomplete_frames_after_a_loss_are_used(decoder: PacketDecoder) -> None:
    """Until the next key frame nothing better comes: a camera whose packets are lost is still watched."""
    whole = packets(encoded([("red", 1.0), ("blue", 1.0)], size=(640, 480)))
    cut = [av.Packet(bytes(p)[: len(bytes(p)) * 2 // 3]) if p.is_keyframe else p for p in whole]
    frames = [frame for packet in cut for frame in decode(decoder, packet)]
    assert len(frames) == len(whole)
    assert any(frame.is_corrupt for frame in frames)
