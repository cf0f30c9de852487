"""The packets of a file around a time: by its index where it has one, else by reading from its beginning."""

from collections.abc import Iterator

from av.error import FFmpegError

from workers.errors import ClipUnavailable
from workers.sources.clips.coded import CodedPacket, Recording, describe_tracks
from workers.sources.clips.cutting import cut
from workers.sources.containers.container import Entry, Media
from workers.sources.containers.timebase import FORWARD_S, Timebase
from workers.sources.url import Target
from workers.types import CameraSpec

LEAD_S = 20.0  # read before the start where there is no index: the longest distance of key frames that is looked for
AFTER_S = 1.0  # packets of one track may lie so much later in the file than those of another
MAX_BYTES = 256 << 20


def record_file(camera: CameraSpec, target: Target, start: float, end: float) -> Recording:
    """Return the packets of a file from ``start`` to ``end``, stream seconds; raise a ``SourceError``."""
    media = Media(camera, target)
    try:
        tracks = describe_tracks(media.video, media.audio)
        packets, size = list[CodedPacket](), 0
        for entry in _entries(media, start):
            if entry.decode_t > end + AFTER_S:
                break
            packet = CodedPacket.of(entry, entry.packet.stream is media.video)
            packets.append(packet)
            size += len(packet.data)
            if size > MAX_BYTES:
                break
            packets, size = _trimmed(packets, size, start)
    finally:
        media.close()
    found = cut([Recording(tracks, packets)], start, end)
    if found is None:
        raise ClipUnavailable("the file has nothing of that time")
    return found


def _entries(media: Media, start: float) -> Iterator[Entry]:
    """Yield the packets of a file in its stream time, from a key frame before ``start`` if it can be found by index."""
    origin = media.origin_s()
    timebase = Timebase(origin, 0.0, 0, media.forward_s())
    indexed = media.forward_s() > FORWARD_S
    if indexed and origin is not None:
        first = media.streams[0]
        try:
            media.container.seek(round((origin + start) / float(first.time_base or 1)), stream=first)
        except FFmpegError:
            media.container.seek(0)
    while True:
        try:
            for packet in media.packets():
                if packet is not None:
                    yield media.place(packet, timebase)
            return
        except FFmpegError:  # damaged: what was read so far is what there is
            return


def _trimmed(packets: list[CodedPacket], size: int, start: float) -> tuple[list[CodedPacket], int]:
    """Drop what lies so long before ``start`` that it is not needed, once in a while."""
    if len(packets) % 1000 or packets[-1].t > start:
        return packets, size
    kept = [p for p in packets if p.t >= packets[-1].t - LEAD_S]
    return kept, sum(len(p.data) for p in kept)
