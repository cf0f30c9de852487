"""A picture made of tiles, as telephones write them: HEIC and AVIF (ISO/IEC 23008-12, derived image ``grid``)."""

from pathlib import Path
from typing import Any

import av
import numpy as np

CODECS = {"heic": ("libx265", b"hvc1", b"hvcC"), "avif": ("libsvtav1", b"av01", b"av1C")}


def make_tiled(path: Path, image: np.ndarray, rows: int, columns: int, quarter_turns: int = 0) -> Path:
    """Write ``image`` ``[H, W, 3]`` as tiles; the suffix of ``path`` says how. It is shown turned."""
    codec, item, record = CODECS[path.suffix[1:]]
    height, width = image.shape[0] // rows, image.shape[1] // columns
    tiles = [
        _encode(path.with_suffix(".mp4"), image[y * height :, x * width :][:height, :width], codec)
        for y in range(rows)
        for x in range(columns)
    ]
    count, whole = len(tiles), len(tiles) + 1  # items 1 to `count` are the tiles
    properties = [
        _box(record, tiles[0][0]),
        _full(b"ispe", _u32(width) + _u32(height)),
        _full(b"ispe", _u32(image.shape[1]) + _u32(image.shape[0])),
        _box(b"irot", bytes([quarter_turns])),
    ]
    of_tile, of_whole = bytes([2, 0x81, 2]), bytes([2, 3, 0x84])
    associations = b"".join(_u16(n) + of_tile for n in range(1, whole)) + _u16(whole) + of_whole
    kinds = [item] * count + [b"grid"]
    grid = bytes([0, 0, rows - 1, columns - 1]) + _u16(image.shape[1]) + _u16(image.shape[0])
    entries = b"".join(_full(b"infe", _u16(n) + _u16(0) + kind + b"\0", 2) for n, kind in enumerate(kinds, 1))
    parts = _box(b"dimg", _u16(whole) + _u16(count) + b"".join(_u16(n) for n in range(1, whole)))

    def head(at: int) -> bytes:
        """Return all before the coded data, which begins at byte ``at``."""
        places = b""
        for n, data in enumerate([*(data for _, data in tiles), grid], 1):
            places += _u16(n) + _u16(0) + _u16(1) + _u32(at) + _u32(len(data))
            at += len(data)
        meta = _full(b"hdlr", _u32(0) + b"pict" + bytes(13))
        meta += _full(b"pitm", _u16(whole)) + _full(b"iloc", b"\x44\0" + _u16(whole) + places)
        meta += _full(b"iinf", _u16(whole) + entries) + _full(b"iref", parts)
        meta += _box(b"iprp", _box(b"ipco", b"".join(properties)) + _full(b"ipma", _u32(whole) + associations))
        brand = path.suffix[1:].encode()
        return _box(b"ftyp", brand + _u32(0) + brand + b"mif1" + b"miaf") + _full(b"meta", meta)

    data = b"".join(data for _, data in tiles) + grid
    path.write_bytes(head(len(head(0)) + 8) + _box(b"mdat", data))
    return path


def _encode(path: Path, image: np.ndarray, codec: str) -> tuple[bytes, bytes]:
    """Return how a tile is to be decoded, and its data, as they are in MP4."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=1)
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "yuv420p"
        if codec == "libx265":
            stream.options = {"preset": "ultrafast", "x265-params": "log-level=none:pools=none"}
        for packet in (
            *stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")),
            *stream.encode(),
        ):
            out.mux(packet)
    with av.open(str(path)) as made:
        packet = next(made.demux(video=0))
        return bytes(made.streams.video[0].codec_context.extradata or b""), bytes(packet)


def _box(name: bytes, content: bytes) -> bytes:
    return _u32(len(content) + 8) + name + content


def _full(name: bytes, content: bytes, version: int = 0) -> bytes:
    return _box(name, bytes([version, 0, 0, 0]) + content)


def _u16(value: int) -> bytes:
    return value.to_bytes(2)


def _u32(value: int) -> bytes:
    return value.to_bytes(4)
