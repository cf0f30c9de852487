"""How small a face is still hidden, and what looking for faces costs: a real portrait, shrunk and pasted into photos.

Prints the share of pastes of which at least 80 % of the face were hidden, by the width of the face in the 224 pixels
that are kept, and the time of a frame with and without; then the encoder's, for the ratio.
"""

import random
import time

import numpy as np
from PIL import Image
from skimage import data

from workers.encoders.registry import load_encoder
from workers.models.options import EncoderOptions
from workers.sources.decode.faces import DETAIL, FaceBlurrer

SIDE = 224 * DETAIL
WIDTHS = (6, 8, 10, 12, 16, 24, 40, 64)
PASTES = 40
HEAD = (130, 0, 330, 240)  # of the portrait, with some room; the face in it:
FACE = (48, 60, 130, 175)


def scene(picture: np.ndarray) -> Image.Image:
    side = min(picture.shape[:2])
    return Image.fromarray(picture[:side, :side]).resize((SIDE, SIDE), Image.Resampling.BOX)


def recall(width: int, scenes: list[Image.Image], rng: random.Random) -> float:
    hidden = 0
    for _ in range(PASTES):
        hider = FaceBlurrer()
        scale = DETAIL * width / (FACE[2] - FACE[0])
        head = Image.fromarray(data.astronaut()).crop(HEAD)
        head = head.resize((round(head.width * scale), round(head.height * scale)), Image.Resampling.BOX)
        picture = rng.choice(scenes).copy()
        x, y = rng.randrange(SIDE - head.width), rng.randrange(SIDE - head.height)
        picture.paste(head, (x, y))
        plain = np.asarray(picture.resize((224, 224), Image.Resampling.BOX)).astype(int)
        left, top, right, bottom = (round((o + scale * f) / DETAIL) for o, f in zip((x, y, x, y), FACE, strict=True))
        changed = np.abs(hider(np.asarray(picture)).astype(int) - plain).max(axis=2) > 2
        hidden += changed[top:bottom, left:right].mean() > 0.6  # blocks may by chance have a pixel's own colour
    return hidden / PASTES


def milliseconds(call, times: int = 10) -> float:
    call()
    started = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started) / times * 1000


def main() -> None:
    scenes = [scene(p) for p in (data.coffee(), data.rocket(), data.chelsea())]
    rng = random.Random(1)
    for width in WIDTHS:
        print(f"face {width:3d} px wide: hidden in {recall(width, scenes, rng):.0%}")
    hider, picture = FaceBlurrer(), np.asarray(scenes[0])
    encoder = load_encoder(EncoderOptions(threads=1))
    frames = np.zeros((16, 224, 224, 3), np.uint8)
    looking, encoding = milliseconds(lambda: hider(picture)), milliseconds(lambda: encoder.encode_frames(frames)) / 16
    print(f"hiding {looking:.0f} ms a frame, encoding it (lite, one thread) {encoding:.0f} ms")
    print(f"with hiding {(looking + encoding) / encoding:.1f} times the time")


if __name__ == "__main__":
    main()
