"""Builds the bundled sample video and the true timeline beside it; run by ``make sample``.

Photographs come from scikit-image's own wheel and are CC0 or in the public domain (``ATTRIBUTION.md``);
speech comes from espeak-ng. Nothing is random but seeded noise, so the same library versions give the same
bytes. Needs the ``dev`` extra and the Debian package espeak-ng; to install or run Watchword takes neither.
"""

import json
import subprocess
import sys
import wave
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image, ImageFilter

WIDTH, HEIGHT, FPS, RATE_HZ = 640, 360, 10, 16_000
FADE_S = 0.4  # shots cross-fade around their border, as no camera cuts hard
ROOM_NOISE = 0.0015  # amplitude of the noise under everything, 1.0 being full scale
PHOTOS = Path(skimage.__file__).parent / "data"
DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "daemon" / "sample"

Box = tuple[float, float, float]  # centre x, centre y, width; shares of the widest 16:9 cut of the photograph


@dataclass(frozen=True, slots=True)
class Shot:
    """One photograph under a camera moving from box ``a`` to box ``b``; ``blur_px`` makes a plain surface."""

    photo: str
    start_s: float
    end_s: float
    a: Box
    b: Box
    blur_px: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """One spoken sentence."""

    start_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """One event of ``sample.yaml`` and what in the script makes it true (nothing: it never happens)."""

    event: str
    text: str
    modality: str
    kind: str
    photo: str = ""
    line: int = -1


SHOTS = (
    Shot("gravel.png", 0, 7, (0.5, 0.5, 0.9), (0.5, 0.45, 0.8), 6),
    Shot("chelsea.png", 7, 17, (0.45, 0.5, 1.0), (0.5, 0.45, 0.8)),
    Shot("grass.png", 17, 23, (0.5, 0.5, 0.8), (0.5, 0.55, 0.9), 4),
    Shot("coffee.png", 23, 33, (0.5, 0.5, 0.75), (0.5, 0.5, 1.0)),
    Shot("gravel.png", 33, 39, (0.5, 0.5, 0.8), (0.45, 0.5, 0.9), 6),
    Shot("rocket.jpg", 39, 48, (0.52, 0.54, 0.77), (0.5, 0.5, 0.67)),
    Shot("grass.png", 48, 53, (0.5, 0.5, 0.9), (0.5, 0.5, 0.8), 4),
    Shot("chelsea.png", 53, 61, (0.5, 0.45, 0.75), (0.5, 0.5, 0.95)),
    Shot("gravel.png", 61, 65, (0.5, 0.5, 0.9), (0.5, 0.5, 0.8), 6),
    Shot("camera.png", 65, 72, (0.5, 0.5, 1.0), (0.5, 0.5, 0.9)),
)
LINES = (
    Line(2.0, "The parcel is at the front door. The postman brought it this morning."),
    Line(26.0, "Please help me! I fell down the stairs and I cannot stand up."),
    Line(55.0, "Tomorrow we expect cold weather, with rain all day and strong wind."),
)
QUERIES = (
    Query("cat", "a cat", "vision", "object", photo="chelsea.png"),
    Query("coffee", "a cup of espresso", "vision", "object", photo="coffee.png"),
    Query("rocket", "a rocket", "vision", "object", photo="rocket.jpg"),
    Query("tripod", "a camera on a tripod", "vision", "object", photo="camera.png"),
    Query("parcel", "someone talks about a parcel that was delivered", "speech", "speech", line=0),
    Query("fall", "someone says that they fell down the stairs", "speech", "speech", line=1),
    Query("weather", "someone talks about the weather", "speech", "speech", line=2),
    Query("dog", "a dog", "vision", "absent"),
    Query("bicycle", "a bicycle", "vision", "absent"),
    Query("football", "someone talks about football", "speech", "absent"),
)
DURATION_S = SHOTS[-1].end_s


def crop(photo: Image.Image, box: Box) -> NDArray[np.float32]:
    """Return what the camera sees: f32[HEIGHT, WIDTH, 3] of ``box``, cut with sub-pixel precision."""
    full = min(photo.width, photo.height * WIDTH / HEIGHT)
    width = full * box[2]
    height = width * HEIGHT / WIDTH
    x = min(max(photo.width * box[0] - width / 2, 0), photo.width - width)
    y = min(max(photo.height * box[1] - height / 2, 0), photo.height - height)
    cut = photo.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, box=(x, y, x + width, y + height))
    return np.asarray(cut, np.float32)


def load(shot: Shot) -> Image.Image:
    """Return a shot's photograph as RGB."""
    photo = Image.open(PHOTOS / shot.photo).convert("RGB")
    return photo.filter(ImageFilter.GaussianBlur(shot.blur_px)) if shot.blur_px else photo


def view(shot: Shot, photo: Image.Image, t: float) -> NDArray[np.float32]:
    """Return a shot at time ``t``; the camera keeps moving a little beyond both ends, for the fades."""
    share = (t - shot.start_s) / (shot.end_s - shot.start_s)
    at = tuple(a + (b - a) * share for a, b in zip(shot.a, shot.b, strict=True))
    return crop(photo, (at[0], at[1], min(at[2], 1.0)))


def frames(numbers: Iterable[int] = range(round(DURATION_S * FPS))) -> Iterator[NDArray[np.uint8]]:
    """Yield pictures, u8[HEIGHT, WIDTH, 3]; by default all of them."""
    photos = [load(shot) for shot in SHOTS]
    for i in numbers:
        t = i / FPS
        total, weights = np.zeros((HEIGHT, WIDTH, 3), np.float32), 0.0
        for shot, photo in zip(SHOTS, photos, strict=True):
            inside = min(t - shot.start_s, shot.end_s - t)  # seconds from the nearer border, negative outside
            weight = float(np.clip(0.5 + inside / FADE_S, 0, 1))
            if weight:
                total, weights = total + weight * view(shot, photo, t), weights + weight
        yield (total / weights).clip(0, 255).astype(np.uint8)


def speak(text: str) -> NDArray[np.float32]:
    """Return a spoken sentence, f32[n] mono at RATE_HZ, without the silence at both ends."""
    command = ["espeak-ng", "-v", "en-us", "-s", "140", "-p", "45", "--stdout", text]
    spoken = subprocess.run(command, check=True, capture_output=True).stdout
    with wave.open(BytesIO(spoken)) as file:
        rate, raw = file.getframerate(), np.frombuffer(file.readframes(10**9), np.int16)
    t = np.arange(0, len(raw) / rate, 1 / RATE_HZ)
    sound = np.interp(t, np.arange(len(raw)) / rate, raw / 32768.0).astype(np.float32)
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    return sound[loud[0] : loud[-1] + 1]


def soundtrack() -> tuple[NDArray[np.float32], list[tuple[float, float]]]:
    """Return all sound, f32[n] mono at RATE_HZ, and each sentence's start and end in seconds."""
    track = np.random.default_rng(1).normal(0, ROOM_NOISE, round(DURATION_S * RATE_HZ)).astype(np.float32)
    spans = []
    for line in LINES:
        sound, first = speak(line.text), round(line.start_s * RATE_HZ)
        track[first : first + len(sound)] += 0.7 * sound
        spans.append((line.start_s, round(line.start_s + len(sound) / RATE_HZ, 2)))
    return track.clip(-1, 1), spans


def add_picture(output: av.container.OutputContainer) -> Iterator[av.Packet]:
    """Add the H.264 stream; yield its packets. One thread, so that the bytes are the same every time."""
    stream = output.add_stream("libx264", rate=FPS)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    stream.options = {"crf": "25", "preset": "slow", "threads": "1", "x264-params": "keyint=40:scenecut=0"}
    for picture in frames():
        yield from stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24"))
    yield from stream.encode(None)


def add_sound(output: av.container.OutputContainer, track: NDArray[np.float32]) -> Iterator[av.Packet]:
    """Add the AAC stream; yield its packets."""
    stream = output.add_stream("aac", rate=RATE_HZ, layout="mono", bit_rate=48_000)
    for first in range(0, len(track), 1024):
        frame = av.AudioFrame.from_ndarray(track[None, first : first + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, first
        yield from stream.encode(frame)
    yield from stream.encode(None)


def write_video(path: Path, track: NDArray[np.float32]) -> None:
    """Write the MP4."""
    with av.open(str(path), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as output:
        picture = add_picture(output)
        packets: list[Any] = [next(picture)]  # opens the first stream before the second is added
        sound = add_sound(output, track)
        packets += [next(sound), *picture, *sound]
        for packet in sorted(packets, key=lambda p: float(p.dts * p.time_base)):
            output.mux(packet)


def annotation(qid: int, query: Query, spoken: list[tuple[float, float]]) -> dict[str, Any]:
    """Return one line of the timeline."""
    windows = [(float(s.start_s), float(s.end_s)) for s in SHOTS if s.photo == query.photo]
    windows += [spoken[query.line]] if query.line >= 0 else []
    return {
        "qid": qid,
        "event": query.event,
        "query": query.text,
        "vid": "sample",
        "duration": float(DURATION_S),
        "relevant_windows": windows,
        "modality": query.modality,
        "kind": query.kind,
    }


def timeline(spoken: list[tuple[float, float]]) -> list[dict[str, Any]]:
    """Return one annotation a query: ``relevant_windows`` in seconds, empty where it never happens."""
    return [annotation(qid, query, spoken) for qid, query in enumerate(QUERIES)]


def main(folder: Path) -> None:
    """Write ``sample.mp4`` and ``timeline.json`` into ``folder``."""
    track, spoken = soundtrack()
    write_video(folder / "sample.mp4", track)
    rows = ",\n".join(" " + json.dumps(line) for line in timeline(spoken))
    (folder / "timeline.json").write_text(f"[\n{rows}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER)
