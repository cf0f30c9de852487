"""Media files made on the spot, sound and hostile; frames that show their own number.

Every frame of ``make_video`` carries its number, so that a wrong frame cannot pass for the right one.
"""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from skimage import data

from workers.clock import SystemClock
from workers.redaction import RedactedUrl
from workers.sources.decode.faces import DETAIL, load_detector
from workers.sources.factory import build_source
from workers.types import AudioChunk, CameraSpec, FrameBatch, FrameSpec, SourceInfo, SourceSnapshot

SPEC = FrameSpec(48, 32, "squash")
TICKS = 1000  # time base of made videos: milliseconds
BLOCKS = 8


def picture(number: int, width: int = 96, height: int = 64) -> np.ndarray:
    """A frame that shows ``number`` as eight black or white columns over a moving texture."""
    image = np.full((height, width, 3), 60, np.uint8)
    for bit in range(BLOCKS):
        if number >> bit & 1:
            image[: height // 2, bit * width // BLOCKS : (bit + 1) * width // BLOCKS] = 230
    image[height // 2 :] = (np.arange(width)[None, :, None] * 2 + number * 5) % 200
    return image


def number_of(image: np.ndarray) -> int:
    """Read back what ``picture`` wrote, at any size."""
    height, width = image.shape[:2]
    row = image[height // 8 : height // 3].astype(float).mean(axis=(0, 2))
    columns = [row[int((b + 0.3) * width / BLOCKS) : int((b + 0.7) * width / BLOCKS) + 1].mean() for b in range(BLOCKS)]
    return sum(1 << b for b, level in enumerate(columns) if level > 145)


def tone(start_s: float, seconds: float, hertz: float, rate: int) -> np.ndarray:
    t = start_s + np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


def make_video(
    path: Path,
    times_ms: Sequence[int],
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    size: tuple[int, int] = (96, 64),
    pix_fmt: str = "yuv420p",
    gop: int = 12,
    b_frames: int | None = None,
    audio: tuple[float, float, float] | None = None,
    audio_rate: int = 44100,
    first: int = 0,
    container: dict[str, str] | None = None,
) -> Path:
    """Encode one frame per entry of ``times_ms``; ``audio`` is (start, seconds, hertz) of a tone."""
    with av.open(str(path), "w", options=container or {}) as out:
        stream = out.add_stream(codec, rate=25, options=options or {})
        assert isinstance(stream, av.VideoStream)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.codec_context.time_base = Fraction(1, 25 if codec == "mpeg2video" else TICKS)  # what it allows
        stream.codec_context.gop_size = gop
        stream.codec_context.thread_count = 1
        if b_frames is not None:
            stream.codec_context.max_b_frames = b_frames
        sound = out.add_stream("aac", rate=audio_rate, layout="mono") if audio else None
        packets: list[Any] = []
        for n, at in enumerate(times_ms):
            frame = av.VideoFrame.from_ndarray(picture(first + n, *size), format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, TICKS)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        if sound is not None and audio is not None:
            packets += _encode_tone(sound, *audio, audio_rate)
        for packet in sorted(packets, key=lambda p: float(p.dts * p.time_base)):
            out.mux(packet)
    return path


def make_portrait(path: Path, seconds: int = 10) -> Path:
    """Encode seconds of a real face (a public-domain portrait by NASA, 512 × 512), one key frame a second."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=2)
        stream.width = stream.height = 512
        stream.pix_fmt, stream.codec_context.gop_size = "yuv420p", 2
        for n in range(2 * seconds):
            frame = av.VideoFrame.from_ndarray(data.astronaut(), format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, 2)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def faces_in(picture: np.ndarray) -> int:
    """Count the faces that are surely found in u8[H, W, 3], at twice its size."""
    found, _ = load_detector()(np.ascontiguousarray(picture.repeat(DETAIL, 0).repeat(DETAIL, 1)), 0.5)
    return len(found)


def _encode_tone(sound: av.AudioStream, start_s: float, seconds: float, hertz: float, rate: int) -> list[av.Packet]:
    packets = []
    samples = tone(start_s, seconds, hertz, rate)
    for i in range(0, len(samples), 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, i : i + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, round(start_s * rate) + i, Fraction(1, rate)
        packets += sound.encode(frame)
    return packets + sound.encode(None)


def every(step_ms: int, count: int, start_ms: int = 0) -> list[int]:
    return [start_ms + step_ms * n for n in range(count)]


class Run:
    """Everything that a source gave."""

    def __init__(self, info: SourceInfo, items: list[FrameBatch | AudioChunk], snapshot: SourceSnapshot) -> None:
        self.info = info
        self.items = items
        self.snapshot = snapshot
        self.batches = [i for i in items if isinstance(i, FrameBatch)]
        self.chunks = [i for i in items if isinstance(i, AudioChunk)]
        self.pts = np.concatenate([b.pts_s for b in self.batches]) if self.batches else np.empty(0)
        self.frames = np.concatenate([b.frames for b in self.batches]) if self.batches else np.empty(0)
        self.segments = [b.segment for b in self.batches for _ in b.pts_s]
        self.sound = np.concatenate([c.samples for c in self.chunks]) if self.chunks else np.empty(0)


def camera(url: str | Path, **changes: Any) -> CameraSpec:
    values: dict[str, Any] = {"open_timeout_s": 2.0, "read_timeout_s": 1.0, "stall_timeout_s": 2.0, **changes}
    return CameraSpec("door", RedactedUrl(str(url)), **values)


def opened(url: str | Path, **changes: Any) -> SourceInfo:
    """Open a source, and close it."""
    source = build_source(camera(url, **changes), SPEC, SystemClock())
    try:
        return source.open()
    finally:
        source.close()


def read_all(url: str | Path, spec: FrameSpec = SPEC, **changes: Any) -> Run:
    source = build_source(camera(url, **changes), spec, SystemClock())
    info = source.open()
    items = [i for i in source.items() if isinstance(i, FrameBatch | AudioChunk)]
    return Run(info, items, source.snapshot())


def gigapixel(folder: Path) -> Path:
    """A few kilobytes of MJPEG whose picture header says 32768 x 32768."""
    path = make_video(folder / "bomb.avi", every(40, 3), codec="mjpeg", pix_fmt="yuvj420p")
    data = path.read_bytes()
    patched = data.replace(struct.pack(">HH", 64, 96), struct.pack(">HH", 32768, 32768))  # SOF0: height, width
    patched = patched.replace(struct.pack("<ii", 96, 64), struct.pack("<ii", 32768, 32768))  # of the container
    assert patched != data
    path.write_bytes(patched)
    return path


def pcm_file(path: Path, rate: int, samples: int) -> Path:
    """A Matroska file with one packet of noise, eight bits a sample."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_u8", rate=rate, layout="mono")
        noise = np.random.default_rng(0).integers(0, 255, (1, samples)).astype(np.uint8)
        frame = av.AudioFrame.from_ndarray(noise, format="u8", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def slowing_audio(path: Path) -> Path:
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


def master_playlist(urls: Sequence[str]) -> str:
    """An HLS playlist of playlists."""
    return "#EXTM3U\n" + "".join(f"#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}\n" for url in urls)
