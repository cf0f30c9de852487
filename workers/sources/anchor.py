"""When the first packet of a live connection arrived, which FFmpeg hides: it reads ahead to find out what is sent.

A camera may accept a connection long before it sends anything, so the time of connecting is not enough. What was read
ahead is handed out at once, until there is a packet to be waited for; and no packet arrives before it is recorded. So
the least of time of arrival less time stamp tells when the first one came.
"""

from collections.abc import Callable, Iterator
from math import inf

from workers.errors import SourceError
from workers.sources.media import StreamPacket, stamp_s

HANDSHAKE_S = 1.0  # less is no silence of the camera's: shaking hands, and what a busy machine adds, take as long
WAITED_S = 0.005  # for a packet that was not there yet
READING_S = 1.0  # at most; of packets without time stamps, which tell nothing

Packets = Iterator[StreamPacket | None]


def anchored(packets: Packets, wall: Callable[[], float], connected: float) -> tuple[float, Packets]:
    """Return the Unix time of the first packet, not before ``connected``, and all packets, that one included."""
    held: list[StreamPacket | None] = []
    failure: SourceError | None = None
    first: tuple[int, float] | None = None  # stream and time stamp
    arrived = inf
    began = asked = wall()
    try:
        for packet in packets:
            held.append(packet)
            now = wall()
            if packet is not None and (stamp := stamp_s(packet)) is not None:
                first = first or (packet.stream_index, stamp)
                if packet.stream_index == first[0]:
                    arrived = min(arrived, now - (stamp - first[1]))
            if arrived - connected <= HANDSHAKE_S or now - asked >= WAITED_S or now - began >= READING_S:
                break
            asked = wall()
    except SourceError as e:  # what came before is as good as ever
        failure = e

    def again() -> Packets:
        yield from held
        if failure is not None:
            raise failure
        yield from packets

    return arrived if HANDSHAKE_S < arrived - connected < inf else connected, again()
