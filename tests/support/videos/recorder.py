"""Files as Dahua's recorders write them: frames of raw H.264, each between a header and a trailer of its own (DHAV)."""

import struct
from fractions import Fraction
from pathlib import Path

import av

from tests.support.videos.media import picture

BEGAN = 1_624_514_290  # how the recorder packs a date


def make_dav(path: Path, frames: int = 40, fps: int = 10, size: tuple[int, int] = (96, 64)) -> Path:
    """Write numbered frames, one key frame a second."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = *size, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, fps), Fraction(fps)
    encoder.gop_size, encoder.max_b_frames, encoder.thread_count = fps, 0, 1
    packets = []
    for n in range(frames):
        frame = av.VideoFrame.from_ndarray(picture(n, *size), format="rgb24")
        frame.pts, frame.time_base = n, Fraction(1, fps)
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    path.write_bytes(b"".join(_framed(n, packet, fps, size) for n, packet in enumerate(packets)))
    return path


def _framed(number: int, packet: av.Packet, fps: int, size: tuple[int, int]) -> bytes:
    more = struct.pack("<BBBBBBBBHH", 0x81, 0, 2, fps, 0x82, 0, 0, 0, *size) if packet.is_keyframe else b""
    length = 24 + len(more) + packet.size + 8
    date, ms = BEGAN + number // fps, 1000 * (number % fps) // fps
    kind = 0xFD if packet.is_keyframe else 0xFC
    head = struct.pack("<4sBBBBIIIHBB", b"DHAV", kind, 0, 0, 0, number, length, date, ms, len(more), 0)
    return head + more + bytes(packet) + struct.pack("<4sI", b"dhav", length)
