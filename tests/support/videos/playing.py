"""A file played to the decoder of live streams, packet by packet, so that nothing waits."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from tests.support.videos.media import camera
from workers.redaction import RedactedUrl
from workers.sources.containers.container import Media
from workers.sources.containers.timebase import Timebase
from workers.sources.counters import Counters
from workers.sources.decode.demux import make_decoder
from workers.sources.decode.packets import Grid, PacketDecoder, Sampled
from workers.sources.decode.scaling import FrameScaler
from workers.sources.url import parse_target
from workers.types import FrameSpec

SCALE = FrameScaler(FrameSpec(48, 32, "squash"))


def play(
    path: Path,
    fps: float,
    skip: int = 0,
    jump: tuple[int, int] = (0, 0),
    start: float = 0.0,
    lost: Collection[int] = (),
) -> tuple[list[tuple[int, Sampled]], int]:
    """Feed a file as if it were live; return the samples with the time (ms) of the packet that released each, and
    the number of frames decoded. ``jump``: the first packet whose time stamps are so many seconds later; ``start``: the
    stream second of the first; ``lost``: packets that do not arrive."""
    counters = Counters()
    spec = camera(path, fps=fps)
    media = Media(spec, parse_target(RedactedUrl(str(path))))
    assert media.video is not None
    media.video.codec_context.thread_type = "SLICE"  # as live sources have it: frame threads would hold frames back
    context = media.video.codec_context
    decoder = make_decoder(context, PacketDecoder(context, counters, 1 << 30), spec, True, Grid(fps))
    base = Timebase(media.origin_s(), start)
    got: list[tuple[int, Sampled]] = []
    packets: Iterable[Any] = media.packets()
    for n, packet in enumerate(packets):
        if n < skip or n in lost or packet is None:
            continue
        if jump[1] and n >= jump[0]:
            packet.pts += round(jump[1] / packet.time_base)
            packet.dts += round(jump[1] / packet.time_base)
        entry = media.place(packet, base)
        got += [(round(entry.decode_t * 1000), s) for s in decoder.feed(entry)]
    got += [(-1, s) for s in decoder.finish()]
    media.close()
    return got, counters.snapshot().frames_decoded
