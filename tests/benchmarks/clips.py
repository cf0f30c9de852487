"""What clips cost: ``python -m tests.benchmarks.clips [--cameras 4] [--seconds 30] [--rounds 3] [--video V]``.

Live cameras over TCP, 1920×1080 pixels, 25 frames and 4 Mbit a second, are decoded at one frame a second, with what is
kept for clips and without, in turns. Printed as JSON: CPU seconds for each camera-second of decoding with and without,
their ratio (median of the rounds), the bytes that are kept for each camera, and the CPU milliseconds of a clip of 15 s,
of one of 60 s, of a full frame, and of a clip of 15 s that is encoded again because of a mask. Models do not run:
beside them the share of what is kept is smaller still.
"""

import argparse
import json
import resource
import shlex
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tests.support.servers import tcp
from workers.clock import SystemClock
from workers.redaction import RedactedUrl
from workers.sources.clips.making import make_clip, make_picture
from workers.sources.live.source import LiveSource
from workers.sources.url import parse_target
from workers.types import CameraSpec, ClipOptions, FrameSpec, MediaLimits

SPEC = FrameSpec(448, 256, "squash")
SETTLED_S = 5.0
MASK = (((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),)


def encode(video: str, to: Path) -> Path:
    """Write what a camera sends: a minute with a key frame every two seconds."""
    rate = "-x264-params nal-hrd=cbr -b:v 4M -minrate 4M -maxrate 4M -bufsize 4M"
    coded = shlex.split(f"-c:v libx264 -preset superfast -g 50 -bf 0 {rate} -c:a aac -f mpegts")
    source = ["-stream_loop", "-1", "-i", video] if video else ["-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=25"]
    sound = ["-f", "lavfi", "-i", "sine"]
    size = ["-vf", "scale=1920:1080,fps=25,noise=alls=10:allf=t", "-map", "0:v", "-map", "1:a", "-t", "60"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *source, *sound, *size, *coded, str(to)], check=True)
    return to


def serve(media: Path) -> Callable[[socket.socket], None]:
    """Return what sends a file as a camera does, over and over."""

    def send(connection: socket.socket) -> None:
        command = shlex.split("ffmpeg -v quiet -re -stream_loop -1 -i MEDIA -c copy -f mpegts -")
        command[command.index("MEDIA")] = str(media)
        with subprocess.Popen(command, stdout=subprocess.PIPE) as ffmpeg, suppress(OSError):
            assert ffmpeg.stdout is not None
            try:
                while data := ffmpeg.stdout.read1(1 << 16):  # type: ignore[attr-defined]
                    connection.sendall(data)
            finally:
                ffmpeg.kill()

    return send


def watch(port: int, cameras: int, seconds: float, spec: CameraSpec) -> tuple[float, list[LiveSource]]:
    """Decode cameras; return the CPU seconds of each camera-second, and the sources, stopped."""
    url = RedactedUrl(f"tcp://127.0.0.1:{port}")
    sources = [LiveSource(replace(spec, url=url), parse_target(url), SPEC, SystemClock()) for _ in range(cameras)]
    threads = [threading.Thread(target=lambda s=s: [None for _ in s.items()]) for s in sources]
    for thread in threads:
        thread.start()
    time.sleep(SETTLED_S)
    began = cpu_s()
    time.sleep(seconds)
    used = cpu_s() - began
    for source in sources:
        source.stop()
    for thread in threads:
        thread.join()
    return used / seconds / cameras, sources


def cpu_s() -> float:
    """Return the CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cost_ms(work: Callable[[], object]) -> float:
    """Return the CPU milliseconds of a piece of work, the median of three."""
    taken = []
    for _ in range(3):
        began = cpu_s()
        work()
        taken.append(1000 * (cpu_s() - began))
    return round(statistics.median(taken), 1)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--video", default="", help="what cameras show; without, a test pattern")
    options = parser.parse_args()
    ring = ClipOptions().ring(MediaLimits())
    plain = CameraSpec("cam", RedactedUrl("tcp://127.0.0.1:1"))
    rounds, kept = list[tuple[float, float]](), list[int]()
    with tempfile.TemporaryDirectory() as folder:
        media = encode(options.video, Path(folder) / "camera.ts")
        with tcp(serve(media)) as port:
            for _ in range(options.rounds):
                without, sources = watch(port, options.cameras, options.seconds, plain)
                for source in sources:
                    source.close()
                with_ring, sources = watch(port, options.cameras, options.seconds, replace(plain, ring=ring))
                kept += [source.snapshot().kept_bytes for source in sources]
                rounds.append((without, with_ring))
                for source in sources:
                    source.close()
            _, (source,) = watch(port, 1, 65, replace(plain, ring=replace(ring, keep_s=70.0)))
            made = source._ring
            assert made is not None
            end = made._newest
            short, long, now = made.cut(end - 15, end), made.cut(end - 60, end), made.cut(end - 3, end - 3)
            assert short is not None
            assert long is not None
            assert now is not None
            masked = replace(plain, masks=MASK)
            report = {
                "cpu_s_without": round(statistics.median(a for a, _ in rounds), 4),
                "cpu_s_with": round(statistics.median(b for _, b in rounds), 4),
                "ratio": round(statistics.median(b / a for a, b in rounds), 3),
                "ratios": [round(b / a, 3) for a, b in rounds],
                "kept_mb": round(statistics.mean(kept) / 1e6, 2),
                "kept_mb_most": round(max(kept) / 1e6, 2),
                "clip_15_s_ms": cost_ms(lambda: make_clip(short, end - 15, plain, live=True)),
                "clip_60_s_ms": cost_ms(lambda: make_clip(long, end - 60, plain, live=True)),
                "picture_ms": cost_ms(lambda: make_picture(now, end - 3, plain, live=True)),
                "masked_clip_15_s_ms": cost_ms(lambda: make_clip(short, end - 15, masked, live=True)),
            }
            source.close()
    print(json.dumps(report))


if __name__ == "__main__":
    main()
