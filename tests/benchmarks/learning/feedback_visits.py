"""What a camera sees of visitors who come again and again, for ``tests.benchmarks.learning.feedback``.

A visitor is one photograph. Each visit shows it in another way: another crop, mirrored or not, larger or smaller, at
another place before the camera's empty view, in other light, sharpness and noise, and again a little differently from
frame to frame. Frames go through the encoder and the detectors of ``lite``, as the daemon's do; what they make of them
is cached by visitor.
"""

import hashlib
import io
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from alignment.types import F32
from workers.detectors.detector import Detectors
from workers.encoders.lite.encoder import LiteEncoder
from workers.services.detector import coloured, rows_of
from workers.types import U8

WIDTH, HEIGHT = 448, 256  # what ``lite`` takes of a frame of 16:9
VISITS, FRAMES = 12, 2  # of a visitor; different frames of a visit, which is longer
EMPTY_FRAMES = 24


@dataclass(frozen=True, slots=True)
class Looks:
    """Features f32[N, D] of frames and the objects f32[N, M, 8] in them."""

    frames: F32
    objects: F32


@dataclass(frozen=True, slots=True)
class Footage:
    """What the camera shows without anybody, and of each visitor ``VISITS`` visits of ``FRAMES`` frames, in order."""

    empty: Looks
    visitors: dict[str, Looks]


class Camera:
    """Encodes visits before an empty view. ``seed`` decides how each visitor is seen."""

    def __init__(self, view: Path, cache: Path, seed: int) -> None:
        with Image.open(view) as opened:
            self._view = ImageOps.fit(opened.convert("RGB"), (WIDTH, HEIGHT))
        self._cache, self.seed = cache, seed
        self.encoder, self._detectors = LiteEncoder(), Detectors()

    def watch(self, photos: Sequence[Path]) -> Footage:
        """Return what the camera sees of these visitors."""
        empty = self._known("empty", self._empty_frames)
        seen = {p.stem.partition("_")[2]: self._known(p.stem, partial(self._visits, p)) for p in photos}
        return Footage(empty, seen)

    def _known(self, name: str, make: Callable[[random.Random], Iterator[U8]]) -> Looks:
        key = hashlib.sha256(f"{self.encoder.info.id} {self._view.tobytes()!r} {self.seed} {name}".encode())
        kept = self._cache / f"looks-{name}-{key.hexdigest()[:12]}.npz"
        if not kept.is_file():
            frames = np.stack(list(make(random.Random(f"{self.seed} {name}"))))
            found = self._detectors.detect(frames)
            objects = np.stack([coloured(rows_of(f), frame) for f, frame in zip(found, frames, strict=True)])
            np.savez(kept, frames=self.encoder.encode_frames(frames), objects=objects)
        saved = np.load(kept)
        return Looks(saved["frames"], saved["objects"])

    def _empty_frames(self, rng: random.Random) -> Iterator[U8]:
        for _ in range(EMPTY_FRAMES):
            yield _filmed(self._view, rng, _light(rng))

    def _visits(self, photo: Path, rng: random.Random) -> Iterator[U8]:
        with Image.open(photo) as opened:
            picture = opened.convert("RGB")
        for _ in range(VISITS):
            area, mirrored, light = rng.uniform(0.6, 1.0), rng.random() < 0.5, _light(rng)
            height, at = rng.uniform(0.6, 1.0), rng.random()
            for _ in range(FRAMES):
                part = _crop(picture, area * rng.uniform(0.92, 1.0), rng)
                part = ImageOps.mirror(part) if mirrored else part
                tall = min(HEIGHT, round(HEIGHT * height * rng.uniform(0.97, 1.03)))
                part = part.resize((min(WIDTH, round(tall * part.width / part.height)), tall))
                frame = self._view.copy()
                frame.paste(part, (round((WIDTH - part.width) * at), HEIGHT - part.height))
                yield _filmed(frame, rng, light)


def _crop(picture: Image.Image, area: float, rng: random.Random) -> Image.Image:
    width, height = (round(side * area**0.5) for side in picture.size)
    left, top = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
    return picture.crop((left, top, left + width, top + height))


def _light(rng: random.Random) -> tuple[float, float, float, float, int]:
    """Return brightness, contrast, saturation, blur (pixels) and the quality of the camera's compression."""
    return (
        rng.uniform(0.6, 1.3),
        rng.uniform(0.75, 1.2),
        rng.uniform(0.5, 1.2),
        rng.choice((0, 0, 0.6, 1.2)),
        rng.randint(30, 80),
    )


def _filmed(frame: Image.Image, rng: random.Random, light: tuple[float, float, float, float, int]) -> U8:
    brightness, contrast, saturation, blur, quality = light
    frame = ImageEnhance.Brightness(frame).enhance(brightness * rng.uniform(0.97, 1.03))
    frame = ImageEnhance.Color(ImageEnhance.Contrast(frame).enhance(contrast)).enhance(saturation)
    frame = frame.filter(ImageFilter.GaussianBlur(blur)) if blur else frame
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(1, 6), (HEIGHT, WIDTH, 3))
    noisy = np.clip(np.asarray(frame, np.float32) + noise, 0, 255).astype(np.uint8)
    packed = io.BytesIO()
    Image.fromarray(noisy).save(packed, "JPEG", quality=quality)
    return np.asarray(Image.open(packed), np.uint8)
