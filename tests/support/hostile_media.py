"""Media and playlists that mean harm, made on the spot."""

import struct
from collections.abc import Sequence
from pathlib import Path

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


def playlist(*urls: str | Path) -> str:
    """An HLS playlist of these segments."""
    segments = "".join(f"#EXTINF:3,\n{url}\n" for url in urls)
    return f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:5\n{segments}#EXT-X-ENDLIST\n"


def master(urls: Sequence[str]) -> str:
    """An HLS playlist of playlists."""
    return "#EXTM3U\n" + "".join(f"#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}\n" for url in urls)
