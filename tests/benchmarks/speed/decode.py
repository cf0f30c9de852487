"""What decoding must cost at least, by bare PyAV loops, and what it costs the daemon.

``python -m tests.benchmarks.speed.decode [FILE] [FPS]`` prints CPU seconds as JSON: of a selective decode by a bare
loop and by the daemon's source, in this process and in one with limits; and of a full decode. Without a file, of a
minute of 1080p that it makes.
"""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from math import floor
from pathlib import Path
from typing import Any

import av
from av import VideoFrame
from av.packet import Packet
from av.video.reformatter import VideoReformatter

from workers.clock import SystemClock
from workers.redaction import RedactedUrl
from workers.sources.base import Source
from workers.sources.factory import build_source
from workers.sources.isolation.source import DecoderPool
from workers.types import CameraSpec, FrameBatch, FrameSpec


def make_clip(path: Path, seconds: int = 60, size: str = "1920x1080", gop: int = 50, noise: int = 12) -> Path:
    """Make a 25 fps H.264 clip of a moving test picture with some noise (more of it costs more to decode)."""
    source = f"testsrc2=size={size}:rate=25:duration={seconds},noise=alls={noise}:allf=t"
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-c:v", "libx264", "-preset", "veryfast"]
    subprocess.run([*command, "-g", str(gop), "-crf", "26", "-pix_fmt", "yuv420p", str(path)], check=True)
    return path


def bare_decode(path: Path, fps: float, size: int = 224) -> int:
    """Decode only what sampling ``fps`` frames a second wants and scale that; return the number of frames.

    For closed GOPs: nothing behind the last wanted frame of a GOP is fed, unwanted non-reference frames are skipped.
    """
    scaler, frames, step = VideoReformatter(), 0, -1
    with av.open(str(path)) as container:
        stream: Any = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "AUTO", 4
        unit = float(stream.time_base)
        gop: list[Any] = []
        for packet in container.demux(stream):
            if gop and (packet.is_keyframe or not packet.size):
                wanted = set()
                for p in sorted(p.pts for p in gop):
                    if floor(p * unit * fps + 1e-6) > step:
                        step = floor(p * unit * fps + 1e-6)
                        wanted.add(p)
                frames += _decode_gop(stream.codec_context, gop, wanted, lambda f: _scale(scaler, f, size))
                gop = []
            if packet.size:
                gop.append(packet)
    return frames


def _decode_gop(
    context: av.VideoCodecContext, gop: list[Packet], wanted: set[int], use: Callable[[VideoFrame], None]
) -> int:
    if not wanted:
        return 0
    last = max(i for i, p in enumerate(gop) if p.pts in wanted)
    out: list[VideoFrame] = []
    for p in gop[: last + 1]:
        context.skip_frame = "DEFAULT" if p.pts in wanted else "NONREF"
        out += [f for f in context.decode(p) if f.pts in wanted]
    out += [f for f in context.decode(None) if f.pts in wanted]
    context.flush_buffers()
    for frame in out:
        use(frame)
    return len(out)


def _scale(scaler: VideoReformatter, frame: VideoFrame, size: int) -> None:
    scaler.reformat(frame, size * frame.width // frame.height, size, "rgb24", threads=1).to_ndarray()


def full_decode(path: Path, fps: float, size: int = 224) -> int:
    """Decode every frame, scale those that sampling wants; return their number."""
    scaler, frames, step = VideoReformatter(), 0, -1
    with av.open(str(path)) as container:
        stream: Any = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "AUTO", 4
        for frame in container.decode(stream):
            if floor(frame.time * fps + 1e-6) > step:
                step = floor(frame.time * fps + 1e-6)
                _scale(scaler, frame, size)
                frames += 1
    return frames


def source_decode(path: Path, fps: float, size: int = 224) -> int:
    """Read a file as the daemon does, in this process; return the number of frames."""
    return _read(build_source(_camera(path, fps), FrameSpec(size, size, "crop")))


def isolated_decode(path: Path, fps: float, size: int = 224) -> int:
    """Read it in a process with limits, as `runtime: local` does, the start of that process included."""
    with closing(DecoderPool({})) as pool:
        return _read(pool.build(_camera(path, fps), FrameSpec(size, size, "crop"), SystemClock()))


def _camera(path: Path, fps: float) -> CameraSpec:
    return CameraSpec("clip", RedactedUrl(str(path)), fps, audio=False)


def _read(source: Source) -> int:
    with closing(source):
        return sum(len(item.frames) for item in source.items() if isinstance(item, FrameBatch))


def cpu_seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return CPU and wall seconds of ``work`` in this process, all threads, and in those that ended in it."""
    before, wall = _cpu(), time.perf_counter()
    work()
    return _cpu() - before, time.perf_counter() - wall


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


if __name__ == "__main__":
    made = Path(tempfile.mkdtemp()) / "clip.mp4"
    clip = Path(sys.argv[1]) if len(sys.argv) > 1 else make_clip(made)
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    ways = {"selective": bare_decode, "source": source_decode, "isolated": isolated_decode, "full": full_decode}
    for name, decode in ways.items():
        cpu, wall = cpu_seconds(lambda decode=decode: decode(clip, rate))  # type: ignore[misc]  # a default binds the loop's value
        print(json.dumps({"decode": name, "fps": rate, "cpu_s": round(cpu, 2), "wall_s": round(wall, 2)}))
    shutil.rmtree(made.parent)
