"""What clips cost: ``python -m tests.benchmarks.speed.clips [--rounds 5] [--video V]``.

A minute of a live camera, 1920×1080 pixels, 25 frames and 4 Mbit a second, goes through demuxer, sampling decoder (one
frame a second) and scaler as fast as they take it, with what is kept for clips and without, in turns, so that both do
the same work on a machine that does other work as well. Printed as JSON: CPU milliseconds for each second of a camera
with and without, their ratio (median of the rounds), the bytes that are kept, and the CPU milliseconds of a clip of
15 s, of one of a minute, of a full frame, and of a clip of 15 s that is encoded again because of a mask. Models do not
run: beside them the share of what is kept is smaller still.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from workers.redaction import RedactedUrl
from workers.sources.clips.coded import describe_tracks
from workers.sources.clips.making import make_clip, make_picture
from workers.sources.containers.container import Media
from workers.sources.containers.timebase import Timebase
from workers.sources.counters import Counters
from workers.sources.decode.demux import Demuxer, make_grid
from workers.sources.decode.packets import Sampled
from workers.sources.decode.scaling import FrameScaler
from workers.sources.live.packet_ring import PacketRing
from workers.sources.url import parse_target
from workers.types import CameraSpec, ClipOptions, FrameSpec, MediaLimits

SECONDS = 60
MASK = (((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),)


def encode(video: str, to: Path) -> Path:
    """Write what a camera sends in a minute, with a key frame every two seconds."""
    rate = "-x264-params nal-hrd=cbr -b:v 4M -minrate 4M -maxrate 4M -bufsize 4M"
    coded = shlex.split(f"-c:v libx264 -preset superfast -g 50 -bf 0 {rate} -c:a aac -f mpegts")
    source = ["-stream_loop", "-1", "-i", video] if video else ["-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=25"]
    size = ["-vf", "scale=1920:1080,fps=25,noise=alls=10:allf=t", "-map", "0:v", "-map", "1:a", "-t", str(SECONDS)]
    command = ["ffmpeg", "-v", "error", "-y", *source, "-f", "lavfi", "-i", "sine", *size, *coded, str(to)]
    subprocess.run(command, check=True)
    return to


def play(camera: CameraSpec, ring: PacketRing | None) -> float:
    """Decode the camera as a live source does; return the CPU milliseconds of each of its seconds."""
    began = time.process_time()
    media = Media(camera, parse_target(camera.url))
    media.live = True  # decode as late as possible, as of a live stream
    reader = Demuxer(camera, media, make_grid(camera), Counters())
    timebase, scale = Timebase(media.origin_s(), 0.0), FrameScaler(FrameSpec(448, 256, "squash"))
    if ring is not None:
        ring.begin(describe_tracks(media.video, media.audio))
    for packet in media.packets():
        if packet is None:
            continue
        entry = media.place(packet, timebase)
        if ring is not None:
            ring.add(entry, packet.stream is media.video)
        for found in reader.feed(entry):
            if isinstance(found, Sampled):
                scale(found.frame)
    media.close()
    return 1000 * (time.process_time() - began) / SECONDS


def cost_ms(work: Callable[[], object]) -> float:
    """Return the CPU milliseconds of a piece of work, the median of three."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        work()
        taken.append(1000 * (time.process_time() - began))
    return round(statistics.median(taken), 1)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--video", default="", help="what the camera shows; without, a test pattern with noise")
    options = parser.parse_args()
    limits = ClipOptions().ring(MediaLimits())
    with tempfile.TemporaryDirectory() as folder:
        url = RedactedUrl(str(encode(options.video, Path(folder) / "camera.ts")))
        camera = CameraSpec("cam", url)
        play(camera, None)  # warms up
        rings = [PacketRing(limits) for _ in range(options.rounds)]
        rounds = [(play(camera, None), play(camera, ring)) for ring in rings]
        whole = PacketRing(replace(limits, keep_s=2.0 * SECONDS))
        play(camera, whole)
    end = SECONDS - 0.1
    short, long, now = whole.cut(end - 15, end), whole.cut(0, end), whole.cut(end - 3, end - 3)
    assert short is not None
    assert long is not None
    assert now is not None
    masked = replace(camera, masks=MASK)
    report = {
        "cpu_ms_without": round(statistics.median(a for a, _ in rounds), 2),
        "cpu_ms_with": round(statistics.median(b for _, b in rounds), 2),
        "ratio": round(statistics.median(b / a for a, b in rounds), 3),
        "ratios": [round(b / a, 3) for a, b in rounds],
        "kept_mb_20_s": round(rings[0].bytes / 1e6, 2),
        "kept_mb_60_s": round(whole.bytes / 1e6, 2),
        "clip_15_s_ms": cost_ms(lambda: make_clip(short, end - 15, camera, live=True)),
        "clip_60_s_ms": cost_ms(lambda: make_clip(long, 0, camera, live=True)),
        "picture_ms": cost_ms(lambda: make_picture(now, end - 3, camera, live=True)),
        "masked_clip_15_s_ms": cost_ms(lambda: make_clip(short, end - 15, masked, live=True)),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
