"""H.264 in field pictures, written bit by bit, because no encoder here codes them: each field is an access unit.

Every picture is intra coded without prediction (I_PCM) and shows its number, see ``picture``.
"""

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.support.videos.media import picture

WIDTH, HEIGHT = 96, 64
STEP = 9000  # of a picture, in ticks of 90 kHz: ten pictures a second


class _Bits:
    """Collects bits, and the bytes of PCM samples."""

    def __init__(self) -> None:
        self._text: list[str] = []

    def u(self, count: int, value: int) -> "_Bits":
        self._text.append(f"{value:0{count}b}" if count else "")
        return self

    def ue(self, *values: int) -> "_Bits":
        for value in values:
            code = f"{value + 1:b}"
            self._text.append("0" * (len(code) - 1) + code)
        return self

    def pcm(self, samples: bytes) -> None:
        text = "".join(self._text)
        self._text = [text, "0" * (-len(text) % 8), f"{int.from_bytes(samples):0{8 * len(samples)}b}"]

    def unit(self, head: int) -> bytes:
        """Return the NAL unit, with its start code and emulation prevention."""
        text = "".join(self._text) + "1"
        text += "0" * (-len(text) % 8)
        body = re.sub(rb"\0\0(?=[\0-\3])", lambda _: b"\0\0\3", int(text, 2).to_bytes(len(text) // 8))
        return b"\0\0\0\1" + bytes([head]) + body


def _parameters() -> bytes:
    sps = _Bits().u(24, 77 << 16 | 30).ue(0, 0, 2, 1).u(1, 0).ue(WIDTH // 16 - 1, HEIGHT // 32 - 1)
    sps.u(1, 0).u(1, 0).u(1, 1).u(1, 0).u(1, 0)  # fields, no MBAFF, direct 8x8, no cropping, no VUI
    pps = _Bits().ue(0, 0).u(2, 0).ue(0, 0, 0).u(3, 0).ue(0, 0, 0).u(3, 0b100)
    return sps.unit(0x67) + pps.unit(0x68)


def _slice(luma: np.ndarray, frame_num: int, idr: bool, reference: bool, bottom: bool | None) -> bytes:
    """Return a picture of u8[H, W] with grey chroma; ``bottom``: None for a frame."""
    bits = _Bits().ue(0, 7 if idr else 5, 0).u(4, frame_num)
    bits.u(1, 0) if bottom is None else bits.u(2, 0b10 | bottom)
    if idr:
        bits.ue(0).u(2, 0)
    else:  # a P slice: the usual reference pictures
        bits.u(3 if reference else 2, 0)
    bits.ue(0, 1)  # QP, no deblocking
    for y in range(0, luma.shape[0], 16):
        for x in range(0, luma.shape[1], 16):
            bits.ue(25) if idr else bits.ue(0, 30)  # nothing skipped, I_PCM
            bits.pcm(luma[y : y + 16, x : x + 16].tobytes() + b"\x80" * 128)
    return b"\0\0\0\1\x09\xf0" + (_parameters() if idr else b"") + bits.unit(0x65 if idr else 0x61 if reference else 1)


def field_video(
    path: Path,
    count: int,
    gop: int = 20,
    is_frame: Callable[[int], bool] = lambda n: False,
    is_reference: Callable[[int], bool] = lambda n: True,
    one_stamp: bool = False,
) -> Path:
    """Write ``count`` pictures, ten a second, each field a packet with a time stamp of its own.

    ``is_frame``: the numbers of pictures that are coded as one frame; ``is_reference``: of those that others may need.
    ``one_stamp``: both fields of a picture share a packet, and only the first has a time stamp.
    """
    with av.open(str(path), "w") as out:
        stream = out.add_mux_stream("h264", rate=20, width=WIDTH, height=HEIGHT)
        frame_num = 0
        for n in range(count):
            idr, reference = n % gop == 0, n % gop == 0 or is_reference(n)
            frame_num = 0 if idr else frame_num
            luma = (16 + picture(n, WIDTH, HEIGHT).mean(axis=2) * 219 / 255).astype(np.uint8)
            parts = [_slice(luma, frame_num, idr, reference, None)]
            if not is_frame(n):
                parts = [_slice(luma[b::2], frame_num, idr and not b, reference, bool(b)) for b in (0, 1)]
            frame_num = (frame_num + reference) % 16
            for k, data in enumerate([b"".join(parts)] if one_stamp else parts):
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, Fraction(1, 90000)
                packet.pts = packet.dts = n * STEP + k * STEP // 2
                packet.duration = STEP // len(parts)
                packet.is_keyframe = idr and k == 0
                out.mux(packet)
    return path
