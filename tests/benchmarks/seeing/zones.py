"""What `lite` sees of a zone: photographs set into empty views, one within the zone and one beside it.

    python -m tests.benchmarks.seeing.zones --photos PHOTOS --videos VIEWS --count 250 --seed 1

``--photos`` is a folder of photographs whose file names end in what they show (``n01_sea_lion.jpg``), ``--videos`` one
of camera videos whose first frames are empty. Compares the ways to look at a zone: the whole frame, the zone of the
same pass (what `lite` does), a second pass over the frame with the rest in grey, a second pass over the zone cut out.
Prints, at a probability of 0.6, how often the photograph in the zone is found, and how often the one beside it and one
that is not shown at all are; and how many are found where 2 % of those beside the zone are, too.
"""

import argparse
import random
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps

from alignment.types import F32
from workers.areas import outside
from workers.encoders.cut_out import cut_out
from workers.encoders.lite.encoder import LiteEncoder
from workers.models.options import EncoderOptions
from workers.types import U8, Areas

WIDTH, HEIGHT, GREY = 448, 256, (127, 127, 127)
SIDES = (48, 64, 96, 128, 160)  # of a photograph, pixels
WIDER = (1.0, 2.2)  # of the zone than the photograph in it
SEEN = 0.6
WAYS = ("whole frame", "zone, same pass", "masked, second pass", "cut out, second pass")


def first_frame(path: Path) -> U8:
    """Return the first frame of a video in the size that `lite` takes."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        return np.asarray(frame.to_image().resize((WIDTH, HEIGHT)), np.uint8)


def photograph(path: Path, side: int) -> U8:
    """Return the centre of a photograph."""
    with Image.open(path) as opened:
        return np.asarray(ImageOps.fit(opened.convert("RGB"), (side, side)), np.uint8)


def place(rng: random.Random, side: int) -> tuple[int, int, int, int]:
    """Return the box of a zone that holds a square of ``side`` pixels: left, top, right, bottom."""
    width, height = (min(most, int(side * rng.uniform(*WIDER))) for most in (WIDTH, HEIGHT))
    left, top = rng.randint(0, WIDTH - width), rng.randint(0, HEIGHT - height)
    return left, top, left + width, top + height


def beside(rng: random.Random, zone: tuple[int, int, int, int], side: int) -> tuple[int, int] | None:
    """Return where a square of ``side`` pixels lies beside the zone; None: found no place."""
    left, top, right, bottom = zone
    for _ in range(50):
        x, y = rng.randint(0, WIDTH - side), rng.randint(0, HEIGHT - side)
        if x >= right or x + side <= left or y >= bottom or y + side <= top:
            return x, y
    return None


def rows_of(encoder: LiteEncoder, frame: U8, areas: Areas) -> F32:
    """Return one row for each of ``WAYS``."""
    masked = np.where(outside(areas, HEIGHT, WIDTH)[..., None], np.array(GREY, np.uint8), frame)
    cut = cut_out(frame, areas, GREY)
    assert cut is not None
    return np.concatenate(
        [encoder.encode_zones(frame[None], [(areas,)]), encoder.encode_frames(np.stack([masked, cut]))]
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--count", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng, encoder = random.Random(options.seed), LiteEncoder(EncoderOptions(device="cpu", threads=1))
    photos, views = sorted(options.photos.glob("*.jpg")), [first_frame(p) for p in sorted(options.videos.glob("*.mp4"))]
    found: list[F32] = []
    while len(found) < options.count:
        chosen, side, other = rng.sample(photos, 3), rng.choice(SIDES), rng.choice(SIDES)
        zone = left, top, right, bottom = place(rng, side)
        if (corner := beside(rng, zone, other)) is None:
            continue
        frame = rng.choice(views).copy()
        x, y = rng.randint(left, right - side), rng.randint(top, bottom - side)
        frame[y : y + side, x : x + side] = photograph(chosen[0], side)
        frame[corner[1] : corner[1] + other, corner[0] : corner[0] + other] = photograph(chosen[1], other)
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        areas = (tuple((cx / WIDTH, cy / HEIGHT) for cx, cy in corners),)
        texts = encoder.encode_text(["a " + path.stem.split("_", 1)[1].replace("_", " ") for path in chosen])
        found.append(encoder.calibration.vision(rows_of(encoder, frame, areas) @ texts.T))
    p = np.stack(found)  # [N, ways, 3]
    print(f"{'':22}in the zone  beside it  not shown  in the zone at 2 % beside it")
    for i, way in enumerate(WAYS):
        shares = (p[:, i] >= SEEN).mean(axis=0)
        fair = (p[:, i, 0] > np.quantile(p[:, i, 1], 0.98)).mean()
        print(f"{way:22}{shares[0]:11.3f}{shares[1]:11.3f}{shares[2]:11.3f}{fair:14.3f}")


if __name__ == "__main__":
    main()
