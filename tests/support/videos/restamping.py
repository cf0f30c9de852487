"""The same transport stream with other time stamps."""

from collections.abc import Callable, Iterator
from itertools import pairwise

PACKET, SECOND = 188, 90_000


def restamped(stream: bytes, change: Callable[[float], float], kinds: tuple[int, ...] = (0xE0, 0xC0)) -> bytes:
    """Return a transport stream whose time stamps (seconds) are changed; ``kinds``: of video (E0) and audio (C0)."""
    out = bytearray(stream)
    for begin in _starts(out, kinds):
        for n in range((0, 0, 1, 2)[out[begin + 7] >> 6]):
            _change(out, begin + 9 + 5 * n, change)
    return bytes(out)


def pictures(stream: bytes) -> list[bytes]:
    """Return a transport stream cut before each packet of video that has a time stamp."""
    cuts = [begin // PACKET * PACKET for begin in _starts(stream, (0xE0,))]
    return [stream[a:b] for a, b in pairwise([0, *cuts[1:], len(stream)])]


def _starts(stream: bytes | bytearray, kinds: tuple[int, ...]) -> Iterator[int]:
    for at in range(0, len(stream) - PACKET + 1, PACKET):
        begin = at + 4 + (1 + stream[at + 4] if stream[at + 3] & 0x20 else 0)
        if stream[at + 1] & 0x40 and stream[begin : begin + 3] == b"\0\0\1" and stream[begin + 3] & 0xF0 in kinds:
            yield begin


def _change(out: bytearray, at: int, change: Callable[[float], float]) -> None:
    a, b, c, d, e = out[at : at + 5]
    ticks = (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
    ticks = round(change(ticks / SECOND) * SECOND)
    values = (a & 0xF1 | (ticks >> 30 & 7) << 1, ticks >> 22 & 255, (ticks >> 15 & 127) << 1 | 1)
    out[at : at + 5] = bytes((*values, ticks >> 7 & 255, (ticks & 127) << 1 | 1))
