"""Recordings of made files, as a live source keeps them, and what a clip shows."""

from io import BytesIO
from pathlib import Path

import av
import numpy as np

from tests.support.videos.media import number_of
from workers.redaction import RedactedUrl
from workers.sources.clips.coded import describe_tracks
from workers.sources.containers.container import Media
from workers.sources.containers.timebase import Timebase
from workers.sources.live.packet_ring import PacketRing
from workers.sources.url import parse_target
from workers.types import CameraSpec, RingLimits

PLENTY = RingLimits(1000.0, 1 << 30)


def spec(path: Path, **changes: object) -> CameraSpec:
    return CameraSpec("cam", RedactedUrl(str(path)), **changes)  # type: ignore[arg-type]


def recorded(path: Path, limits: RingLimits = PLENTY, since: float = 0.0, ring: PacketRing | None = None) -> PacketRing:
    """Return a ring into which a file went as one connection whose time begins at stream second ``since``."""
    camera, ring = spec(path), ring or PacketRing(limits)
    media = Media(camera, parse_target(camera.url))
    ring.begin(describe_tracks(media.video, media.audio))
    timebase = Timebase(media.origin_s(), since, 0, media.forward_s())
    for packet in media.packets():
        if packet is not None:
            ring.add(media.place(packet, timebase), packet.stream is media.video)
    media.close()
    return ring


def shown(content: bytes) -> list[tuple[float, int]]:
    """Return the times within a clip, and the numbers, of its frames."""
    with av.open(BytesIO(content), "r") as clip:
        return [(round(float(f.time), 3), number_of(f.to_ndarray(format="rgb24"))) for f in clip.decode(video=0)]


def heard_s(content: bytes) -> float:
    """Return how many seconds of a clip are not silent."""
    with av.open(BytesIO(content), "r") as clip:
        rate = clip.streams.audio[0].rate
        parts = [f.to_ndarray().reshape(-1).astype(np.float32) for f in clip.decode(audio=0)]
    loud = np.abs(np.concatenate(parts)) > 0.05
    return float(np.convolve(loud, np.ones(200), "same").astype(bool).sum() / rate)
