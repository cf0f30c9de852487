"""Find the arrival time of a live connection's first packet, which FFmpeg's probing hides.

A camera may accept a connection long before it sends data, so the time of connecting is not enough. FFmpeg returns the
probed packets immediately, then what was queued meanwhile, and from then on waits for each. No packet arrives before it
is recorded, so the minimum of arrival time minus time stamp gives the arrival time of the first packet.

A slow read is no proof of waiting: on a busy machine another thread may have run in between. But while packets are
queued, each lowers the minimum by the time that lies between two.
"""

from collections.abc import Callable, Iterator
from math import inf

from workers.errors import SourceError
from workers.sources.containers.container import StreamPacket, stamp_s

HANDSHAKE_S = 1.0  # a shorter delay is the handshake and load of this machine, not silence of the camera
WAITED_S = 0.005  # a longer read means that the packet was waited for, or that this machine is busy
WAITS = 3  # so many such reads without a lower minimum: nothing is queued any more
LOWER_S = 0.01  # jitter lowers the minimum by less
READING_S = 1.0  # longest search without a lower minimum, for packets without time stamps

Packets = Iterator[StreamPacket | None]


def anchored(packets: Packets, wall: Callable[[], float], connected: float) -> tuple[float, Packets]:
    """Return the Unix time of the first packet, not before ``connected``, and all packets, that one included."""
    held: list[StreamPacket | None] = []
    failure: SourceError | None = None
    first: tuple[int, float] | None = None  # stream and time stamp
    arrived = inf
    lowered = asked = wall()
    waits = 0
    try:
        for packet in packets:
            held.append(packet)
            now = wall()
            waits += now - asked >= WAITED_S
            if packet is not None and (stamp := stamp_s(packet)) is not None:
                first = first or (packet.stream_index, stamp)
                if packet.stream_index == first[0] and (at := now - (stamp - first[1])) < arrived:
                    if at < arrived - LOWER_S:
                        waits, lowered = 0, now
                    arrived = at
            if arrived - connected <= HANDSHAKE_S or waits >= WAITS or now - lowered >= READING_S:
                break
            asked = wall()
    except SourceError as e:  # the packets before it are still valid
        failure = e

    def again() -> Packets:
        """Yield all packets, those that were held first."""
        yield from held
        if failure is not None:
            raise failure
        yield from packets

    return arrived if HANDSHAKE_S < arrived - connected < inf else connected, again()
