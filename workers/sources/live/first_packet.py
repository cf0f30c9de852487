"""Find the arrival time of a live connection's first packet, which FFmpeg's probing hides.

A camera may accept a connection long before it sends data, so the time of connecting is not enough. FFmpeg returns the
probed packets immediately, until it has to wait for one; and no packet arrives before it is recorded. So the minimum of
arrival time minus time stamp gives the arrival time of the first packet.
"""

from collections.abc import Callable, Iterator
from math import inf

from workers.errors import SourceError
from workers.sources.container import StreamPacket, stamp_s

HANDSHAKE_S = 1.0  # a shorter delay is the handshake and load of this machine, not silence of the camera
WAITED_S = 0.005  # a longer read means that the packet was waited for
READING_S = 1.0  # longest search, for packets without time stamps

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
    except SourceError as e:  # the packets before it are still valid
        failure = e

    def again() -> Packets:
        yield from held
        if failure is not None:
            raise failure
        yield from packets

    return arrived if HANDSHAKE_S < arrived - connected < inf else connected, again()
