"""Media and playlists that mean harm, made on the spot."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from source_media import every, make_video


def gigapixel(folder: Path) -> Path:
    """A few kilobytes of MJPEG whose picture header says 32768 x 32768."""
    path = make_video(folder / "bomb.avi", every(40, 3), codec="mjpeg", pix_fmt="yuvj420p")
    data = path.read_bytes()
    patched = data.replace(struct.pack(">HH", 64, 96), struct.pack(">HH", 32768, 32768))  # SOF0: height, width
    patched = patched.replace(struct.pack("<ii", 96, 64), struct.pack("<ii", 32768, 32768))  # of the container
    assert patched != data
    path.write_bytes(patched)
    return path


def sound(path: Path, rate: int, samples: int) -> Path:
    """A Matroska file with one packet of noise, eight bits a sample."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_u8", rate=rate, layout="mono")
        noise = np.random.default_rng(0).integers(0, 255, (1, samples)).astype(np.uint8)
        frame = av.AudioFrame.from_ndarray(noise, format="u8", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def slowing_sound(path: Path) -> Path:
    """Two seconds of sound at 8000 Hz, then frames that say 1 Hz, then two seconds as before."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("flac", rate=8000, layout="mono")
        position = 0
        for rate in (8000, 1, 8000):
            encoder = av.CodecContext.create("flac", "w")
            encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "s16"
            for start in range(0, 16_000, 4_000):
                t = np.arange(start, start + 4_000) / 8000
                tone = (8000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
                frame.sample_rate, frame.pts = rate, start
                for packet in encoder.encode(frame):
                    packet.stream, packet.time_base = stream, Fraction(1, 8000)
                    packet.pts = packet.dts = position
                    position += packet.duration or 0
                    out.mux(packet)
    return path


def playlist(*urls: str | Path) -> str:
    """An HLS playlist of these segments."""
    segments = "".join(f"#EXTINF:3,\n{url}\n" for url in urls)
    return f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:5\n{segments}#EXT-X-ENDLIST\n"


def master(urls: Sequence[str]) -> str:
    """An HLS playlist of playlists."""
    return "#EXTM3U\n" + "".join(f"#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}\n" for url in urls)
