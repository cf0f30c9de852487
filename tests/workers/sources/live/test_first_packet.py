"""When the first packet of a connection arrived, told from the packets that are read: ten a second, in a fake time."""

from collections.abc import Iterator
from fractions import Fraction

import pytest
from av.packet import Packet

from workers.sources.containers.container import StreamPacket
from workers.sources.live.first_packet import anchored

QUEUED = 40  # 4 s of packets wait when reading starts
READ_S = 0.001


class Camera:
    """Records a packet each 0.1 s from ``began`` on, is read from ``opened`` on; ``busy``: extra seconds of a read."""

    def __init__(self, began: float, opened: float, busy: dict[int, float]) -> None:
        self.now, self._began, self._busy = opened, began, busy
        self.read = 0

    def packets(self) -> Iterator[StreamPacket | None]:
        for n in range(1000):
            recorded = self._began + 0.1 * n
            self.now = max(self.now + READ_S, recorded) + self._busy.get(n, 0.0)
            packet = Packet(1)
            packet.pts = packet.dts = 9000 * n
            packet.time_base = Fraction(1, 90000)
            self.read += 1
            yield packet


def first(camera: Camera, connected: float = 0.0) -> float:
    began, packets = anchored(camera.packets(), lambda: camera.now, connected)
    again = [next(packets) for _ in range(camera.read + 1)]
    assert [p.dts // 9000 for p in again if p is not None and p.dts is not None] == list(range(camera.read))
    return began


@pytest.mark.parametrize(
    "busy", [{}, {0: 0.02}, {0: 0.4}, {1: 0.3, 2: 0.02, 9: 0.25, 17: 0.6}, dict.fromkeys(range(60), 0.006)]
)
@pytest.mark.parametrize("began", [0.0, 1.5])
def test_a_camera_that_is_read_late_began_when_it_did(began: float, busy: dict[int, float]) -> None:
    """Below a second, the time of connecting is used."""
    camera = Camera(began, began + 0.1 * QUEUED, busy)
    assert first(camera) == pytest.approx(began, abs=0.05)


def test_a_camera_that_was_silent_after_accepting_began_later() -> None:
    camera = Camera(began=7.0, opened=7.5, busy={})
    assert first(camera) == pytest.approx(7.0, abs=0.05)
    assert camera.read < 12  # it is not searched for longer than packets are queued


def test_packets_without_time_stamps_are_searched_for_a_second() -> None:
    now = 5.0

    def packets() -> Iterator[StreamPacket | None]:
        nonlocal now
        while True:
            now += READ_S
            yield None

    assert anchored(packets(), lambda: now, 0.0)[0] == 0.0
    assert now == pytest.approx(6.0, abs=0.01)
