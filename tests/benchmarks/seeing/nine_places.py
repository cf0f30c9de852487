"""Where in a frame `lite` finds things: photographs set into empty views, in a grid of nine places.

    python -m tests.benchmarks.seeing.nine_places --photos DOGS --videos VIEWS --query "a dog"

``--photos`` is a folder of photographs of what the query describes, ``--videos`` one of camera videos that never show
it. Each photograph, 240 pixels high, stands in each of 3 x 3 places on 1280 x 720, before the first frame of each
video. Prints the share of frames, by place, with a cosine that 1 % of the videos' own frames exceed.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps

from alignment.types import F32
from workers.encoders.lite.encoder import LiteEncoder
from workers.models.options import EncoderOptions
from workers.sources.decode.scaling import FrameScaler
from workers.types import U8

WIDTH, HEIGHT, SIDE, GRID = 1280, 720, 240, 3
EVERY = 20  # frames of a video
EXCEEDING = 0.01


class Looker:
    """The cosine of frames with one description."""

    def __init__(self, query: str) -> None:
        self._encoder = LiteEncoder(EncoderOptions(device="cpu"))
        self._scaler = FrameScaler(self._encoder.frame_spec)
        self._query = self._encoder.encode_text([query])[0]

    def __call__(self, frames: Sequence[U8]) -> F32:
        """Return f32[N] for frames u8[H, W, 3] of any size."""
        scaled = [self._scaler(av.VideoFrame.from_ndarray(frame, format="rgb24")) for frame in frames]
        return np.array([self._encoder.encode_frames(frame[None])[0] @ self._query for frame in scaled], np.float32)


def views(folder: Path) -> list[list[U8]]:
    """Return some frames of each video."""
    found = []
    for path in sorted(folder.glob("*.mp4")):
        with av.open(str(path)) as container:
            decoded = enumerate(container.decode(video=0))
            kept = [frame.to_ndarray(format="rgb24") for i, frame in decoded if i % EVERY == 0]
            found.append([np.asarray(frame, np.uint8) for frame in kept])
    return found


def placed(view: U8, thing: U8) -> list[U8]:
    """Return the view with the thing in each place, row by row."""
    frames = []
    for place in range(GRID**2):
        row, column = divmod(place, GRID)
        frame = np.asarray(Image.fromarray(view).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).copy()
        left = round((column + 0.5) * WIDTH / GRID - SIDE / 2)
        frame[row * SIDE : (row + 1) * SIDE, left : left + SIDE] = thing
        frames.append(frame)
    return frames


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--query", required=True)
    options = parser.parse_args()
    look, empty = Looker(options.query), views(options.videos)
    threshold = np.quantile(np.concatenate([look(frames) for frames in empty]), 1 - EXCEEDING)
    shares = np.zeros((GRID, GRID))
    photos = sorted(options.photos.iterdir())
    for path in photos:
        with Image.open(path) as opened:
            thing = np.asarray(ImageOps.fit(opened.convert("RGB"), (SIDE, SIDE), Image.Resampling.LANCZOS))
        for frames in empty:
            shares += (look(placed(frames[0], thing)) > threshold).reshape(GRID, GRID)
    shares /= len(photos) * len(empty)
    print(shares.round(2))
    means = {"centre": shares[1, 1], "centre column": shares[:, 1], "sides": shares[:, [0, 2]], "all": shares}
    print(", ".join(f"{name} {np.mean(share):.2f}" for name, share in means.items()))


if __name__ == "__main__":
    main()
